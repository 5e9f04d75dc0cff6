"""TLS and basic authentication of the web server, in the form that all Prometheus exporters share.

The form is that of the exporter toolkit, ``docs/web-configuration.md``. What of it this server cannot do is refused,
and not passed over: whoever asks for a cipher believes to have it.
"""

from __future__ import annotations

import difflib
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracer.errors import ResolvtraceError

__all__ = ["WebConfig", "load_web_config"]

_VERSIONS = {
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
"""Below 1.2 nothing is offered: RFC 8996."""
_CLIENTS = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_TLS_KEYS = ("cert_file", "key_file", "client_auth_type", "client_ca_file", "min_version", "max_version")
_KEYS = ("tls_server_config", "http_server_config", "basic_auth_users")
_HEADERS = ("Strict-Transport-Security", "X-Frame-Options", "X-XSS-Protection")
"""What may be set beside what the pages set themselves; of the toolkit's own list."""
_HASH = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_MOST_COST = 15
"""Of bcrypt: 2^15 rounds take some two seconds, for every password that is tried."""


@dataclass(frozen=True, slots=True)
class WebConfig:
    """What the file says. ``context`` is None for plain HTTP; without ``users`` nobody is asked who they are."""

    context: ssl.SSLContext | None = None
    users: Mapping[str, bytes] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()


def load_web_config(path: Path) -> WebConfig:
    """Read the file, and the certificates that it names, from beside it where they are named without a directory.

    Raises ResolvtraceError.
    """
    import yaml  # noqa: PLC0415 - where there is such a file alone

    try:
        data = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ResolvtraceError(
            f"the web configuration {path} cannot be read ({error.strerror})", "see its path and permissions"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        told = " ".join(str(error).split())
        raise ResolvtraceError(f"{path} is no YAML: {told}", "correct that place") from error
    whole = _table(path, "the file", {} if data is None else data, _KEYS)
    server = _table(path, "http_server_config", whole.get("http_server_config"), ("http2", "headers"))
    if server.get("http2"):
        raise _refusal(path, "http2 is true", "this server speaks HTTP/1.1: leave it away, or set it to false")
    return WebConfig(
        _context(path, _table(path, "tls_server_config", whole.get("tls_server_config"), _TLS_KEYS)),
        _users(path, whole.get("basic_auth_users")),
        tuple(_table(path, "headers", server.get("headers"), _HEADERS).items()),
    )


def _refusal(path: Path, problem: str, remedy: str) -> ResolvtraceError:
    return ResolvtraceError(f"{path}: {problem}", remedy)


def _table(path: Path, name: str, value: object, known: tuple[str, ...]) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _refusal(path, f"{name} is no mapping", f"it takes {', '.join(known)}")
    for key in value:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1, 0.6)
            remedy = f"did you mean {near[0]}?" if near else f"it takes {', '.join(known)}"
            raise _refusal(path, f"{name} has {key!r}, which this server cannot do", remedy)
    return value


def _context(path: Path, table: dict[str, Any]) -> ssl.SSLContext | None:
    if not table:
        return None
    for key, value in table.items():
        if not isinstance(value, str):
            raise _refusal(path, f"{key} is {value!r}", "it takes a text")
    for key in ("cert_file", "key_file"):
        if not table.get(key):
            raise _refusal(path, f"tls_server_config has no {key}", "name the certificate and its key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _version(path, "min_version", table.get("min_version", "TLS12"))
    context.maximum_version = _version(path, "max_version", table.get("max_version", "TLS13"))
    if context.minimum_version > context.maximum_version:
        raise _refusal(path, "min_version is above max_version", "nobody could connect: change one of them")
    _load_certificate(path, table, context)
    _ask_clients(path, table, context)
    return context


def _version(path: Path, key: str, name: str) -> ssl.TLSVersion:
    if name not in _VERSIONS:
        raise _refusal(path, f"{key} is {name!r}", f"it takes one of {', '.join(_VERSIONS)}")
    return _VERSIONS[name]


def _load_certificate(path: Path, table: dict[str, Any], context: ssl.SSLContext) -> None:
    certificate, key = path.parent / table["cert_file"], path.parent / table["key_file"]
    for file in (certificate, key):
        _require_readable(path, file)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise _refusal(
            path, f"{certificate} and {key} are no certificate and its key, in PEM ({error})", "see both files"
        ) from error


def _no_password() -> str:
    raise ValueError("the key has a password, and nobody is there to type it")


def _require_readable(path: Path, file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as error:
        raise _refusal(path, f"{file} cannot be read ({error.strerror})", "see its path and permissions") from error


def _ask_clients(path: Path, table: dict[str, Any], context: ssl.SSLContext) -> None:
    wanted = table.get("client_auth_type", "NoClientCert")
    if wanted not in _CLIENTS:
        raise _refusal(path, f"client_auth_type is {wanted!r}", f"this server can do {', '.join(_CLIENTS)}")
    authority = table.get("client_ca_file")
    if authority is None:
        if _CLIENTS[wanted] != ssl.CERT_NONE:
            raise _refusal(path, f"client_auth_type is {wanted}", "name who signs the clients with client_ca_file")
        return
    if _CLIENTS[wanted] == ssl.CERT_NONE:
        raise _refusal(path, "client_ca_file is there, and no client is asked", "set client_auth_type too")
    file = path.parent / authority
    _require_readable(path, file)
    try:
        context.load_verify_locations(file)
    except ssl.SSLError as error:
        raise _refusal(path, f"{file} holds no certificates, in PEM ({error})", "see that file") from error
    context.verify_mode = _CLIENTS[wanted]


def _users(path: Path, value: object) -> dict[str, bytes]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not value:
        raise _refusal(
            path, "basic_auth_users is no mapping of users to hashes", "write a user a line, or leave it away"
        )
    users = {}
    for name, hashed in value.items():
        found = _HASH.fullmatch(hashed) if isinstance(hashed, str) else None
        if not isinstance(name, str) or not name or ":" in name:
            raise _refusal(path, f"{name!r} is no name of a user", "a name is a text without a colon (RFC 7617)")
        if found is None:
            raise _refusal(path, f"what user {name} has is no bcrypt hash", f"make one: htpasswd -nBC 10 {name}")
        if int(found[1]) > _MOST_COST:
            raise _refusal(path, f"the hash of user {name} has cost {found[1]}", f"take at most {_MOST_COST}")
        users[name] = hashed.encode()
    return users
