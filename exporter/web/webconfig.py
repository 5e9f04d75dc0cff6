"""TLS and basic authentication of the web server, in the format that all Prometheus exporters share.

The format is that of the exporter toolkit, ``docs/web-configuration.md``. A key that this server does not support is
refused, not ignored: an administrator who sets a cipher must be able to rely on it.
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
"""TLS 1.0 and 1.1 are deprecated: RFC 8996."""
_CLIENTS = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_TLS_KEYS = ("cert_file", "key_file", "client_auth_type", "client_ca_file", "min_version", "max_version")
_KEYS = ("tls_server_config", "http_server_config", "basic_auth_users")
_HEADERS = ("Strict-Transport-Security", "X-Frame-Options", "X-XSS-Protection")
"""Headers of the toolkit's list that may be added to the server's own."""
_HASH = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_MOST_COST = 15
"""Of bcrypt: 2^15 rounds take about two seconds for every password that is tried."""


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The file's contents. ``context`` is None for plain HTTP; without ``users`` there is no authentication."""

    context: ssl.SSLContext | None = None
    users: Mapping[str, bytes] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()


def load_web_config(path: Path) -> WebConfig:
    """Read the file, and the certificates that it names: relative paths start at the directory of the file.

    Raises ResolvtraceError.
    """
    import yaml  # noqa: PLC0415 - only if there is such a file

    try:
        data = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ResolvtraceError(f"cannot read {path} ({error.strerror})", "check its path and permissions") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        details = " ".join(str(error).split())
        raise ResolvtraceError(f"{path} is not valid YAML: {details}", "correct it there") from error
    whole = _table(path, "the file", {} if data is None else data, _KEYS)
    server = _table(path, "http_server_config", whole.get("http_server_config"), ("http2", "headers"))
    if server.get("http2"):
        raise _error(path, "http2 is true", "set it to false: this server speaks HTTP/1.1 only")
    return WebConfig(
        _context(path, _table(path, "tls_server_config", whole.get("tls_server_config"), _TLS_KEYS)),
        _users(path, whole.get("basic_auth_users")),
        tuple(_table(path, "headers", server.get("headers"), _HEADERS).items()),
    )


def _error(path: Path, problem: str, remedy: str) -> ResolvtraceError:
    return ResolvtraceError(f"{path}: {problem}", remedy)


def _table(path: Path, name: str, value: object, known: tuple[str, ...]) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _error(path, f"{name} is not a mapping", f"must be a mapping with {', '.join(known)}")
    for key in value:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1, 0.6)
            remedy = f"did you mean {near[0]}?" if near else f"must be one of {', '.join(known)}"
            raise _error(path, f"{key!r} in {name} is not supported", remedy)
    return value


def _context(path: Path, table: dict[str, Any]) -> ssl.SSLContext | None:
    if not table:
        return None
    for key, value in table.items():
        if not isinstance(value, str):
            raise _error(path, f"{key} is {value!r}", "must be a string")
    for key in ("cert_file", "key_file"):
        if not table.get(key):
            raise _error(path, f"tls_server_config has no {key}", "set cert_file and key_file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _version(path, "min_version", table.get("min_version", "TLS12"))
    context.maximum_version = _version(path, "max_version", table.get("max_version", "TLS13"))
    if context.minimum_version > context.maximum_version:
        raise _error(path, "min_version is above max_version", "lower min_version or raise max_version")
    _load_certificate(path, table, context)
    _verify_clients(path, table, context)
    return context


def _version(path: Path, key: str, name: str) -> ssl.TLSVersion:
    if name not in _VERSIONS:
        raise _error(path, f"{key} is {name!r}", f"must be one of {', '.join(_VERSIONS)}")
    return _VERSIONS[name]


def _load_certificate(path: Path, table: dict[str, Any], context: ssl.SSLContext) -> None:
    certificate, key = path.parent / table["cert_file"], path.parent / table["key_file"]
    for file in (certificate, key):
        _require_readable(path, file)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise _error(
            path, f"{certificate} and {key} are not a PEM certificate and its key ({error})", "check both files"
        ) from error


def _no_password() -> str:
    raise ValueError("the key has a password, which cannot be entered")


def _require_readable(path: Path, file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as error:
        raise _error(path, f"cannot read {file} ({error.strerror})", "check its path and permissions") from error


def _verify_clients(path: Path, table: dict[str, Any], context: ssl.SSLContext) -> None:
    wanted = table.get("client_auth_type", "NoClientCert")
    if wanted not in _CLIENTS:
        raise _error(path, f"client_auth_type is {wanted!r}", f"must be one of {', '.join(_CLIENTS)}")
    authority = table.get("client_ca_file")
    if authority is None:
        if _CLIENTS[wanted] != ssl.CERT_NONE:
            raise _error(path, f"client_auth_type is {wanted}", "set client_ca_file to the CA of the clients")
        return
    if _CLIENTS[wanted] == ssl.CERT_NONE:
        raise _error(path, "client_ca_file is set, but clients need no certificate", "set client_auth_type too")
    file = path.parent / authority
    _require_readable(path, file)
    try:
        context.load_verify_locations(file)
    except ssl.SSLError as error:
        raise _error(path, f"{file} has no PEM certificates ({error})", "check that file") from error
    context.verify_mode = _CLIENTS[wanted]


def _users(path: Path, value: object) -> dict[str, bytes]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not value:
        raise _error(
            path, "basic_auth_users is not a mapping of users to hashes", "write one user a line, or remove it"
        )
    users = {}
    for name, hashed in value.items():
        found = _HASH.fullmatch(hashed) if isinstance(hashed, str) else None
        if not isinstance(name, str) or not name or ":" in name:
            raise _error(path, f"{name!r} is not a user name", "must be a string without a colon (RFC 7617)")
        if found is None:
            raise _error(path, f"the hash of user {name} is not a bcrypt hash", f"create one: htpasswd -nBC 10 {name}")
        if int(found[1]) > _MOST_COST:
            raise _error(path, f"the hash of user {name} has cost {found[1]}", f"must be at most {_MOST_COST}")
        users[name] = hashed.encode()
    return users
