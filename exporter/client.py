"""The commands' end of the daemon's socket."""

from __future__ import annotations

import errno
import grp
import json
import os
import socket
import time
from contextlib import suppress
from typing import cast

from exporter.escape import printable
from exporter.tableform import Entry, Table
from exporter.wire import SCHEMA, Check

__all__ = ["DEFAULT_SOCKET", "NoDaemon", "fetch_snapshot", "fetch_table", "fetch_textfile"]

DEFAULT_SOCKET = "/run/resolvtrace/resolvtrace.sock"
_CHUNK = 64 * 1024
_WAY_OUT = "start it (systemctl start resolvtrace) or name its socket with --socket"


class NoDaemon(Exception):  # noqa: N818 - named for what is missing
    """No daemon answers; the message is one line that says why and what to do."""


def fetch_snapshot(path: str = DEFAULT_SOCKET, timeout: float = 5.0, *, pid: int | None = None) -> Check:
    """Return what the daemon on the socket ``path`` knows now, all of it within ``timeout`` seconds.

    With ``pid`` that process alone, which may be none. Raises NoDaemon.
    """
    answer = _fetch({"want": "snapshot"} if pid is None else {"want": "snapshot", "pid": pid}, path, timeout)
    if answer.get("schema", SCHEMA) != SCHEMA:
        spoken = printable(str(answer["schema"]))
        raise NoDaemon(f"the daemon on {path} speaks {spoken}, not {SCHEMA}: use the version it has")
    return cast("Check", _with("schema", answer, path))


def fetch_textfile(path: str = DEFAULT_SOCKET, timeout: float = 5.0) -> str:
    """Return the metrics of the daemon on the socket ``path`` as a file for the textfile collector. Raises NoDaemon."""
    return str(_with("textfile", _fetch({"want": "textfile"}, path, timeout), path)["textfile"])


def fetch_table(path: str = DEFAULT_SOCKET, timeout: float = 5.0) -> Table:
    """Return what ``top`` shows, from the daemon on the socket ``path``. Raises NoDaemon."""
    answer = cast("Table", _with("table", _fetch({"want": "table"}, path, timeout), path)["table"])
    answer["rows"] = [Entry._make(row) for row in answer["rows"]]
    return answer


def _fetch(request: dict[str, object], path: str, timeout: float) -> dict[str, object]:
    try:
        line = _ask(path, json.dumps(request).encode() + b"\n", time.monotonic() + timeout)
    except TimeoutError as error:
        raise NoDaemon(
            f"the daemon on {path} did not answer within {timeout:g} s: see journalctl -u resolvtrace"
        ) from error
    except OSError as error:
        raise NoDaemon(_explain(error, path)) from error
    return _understand(line, path)


def _ask(path: str, request: bytes, deadline: float) -> bytes:
    """Send one line and return the one that comes. Raises OSError; TimeoutError at ``deadline``."""
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.settimeout(_left(deadline))
        daemon.connect(path)
        with suppress(BrokenPipeError):  # a daemon that turns us away says why before it closes
            daemon.sendall(request)
        chunks: list[bytes] = []
        while not chunks or not (chunks[-1] == b"" or chunks[-1].endswith(b"\n")):
            daemon.settimeout(_left(deadline))
            chunks.append(daemon.recv(_CHUNK))
    return b"".join(chunks)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _understand(line: bytes, path: str) -> dict[str, object]:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict) and "error" in answer:
        why = printable(str(answer["error"]))
        raise NoDaemon(f"the daemon on {path} refused: {why}: see journalctl -u resolvtrace")
    return answer if isinstance(answer, dict) else {}


def _with(key: str, answer: dict[str, object], path: str) -> dict[str, object]:
    if key not in answer:
        raise NoDaemon(f"what answers on {path} is no resolvtrace daemon: name its socket with --socket")
    return answer


def _explain(error: OSError, path: str) -> str:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return f"no daemon: there is no socket {path}: {_WAY_OUT}"
        case errno.ECONNREFUSED:
            return f"no daemon: nobody listens on {path}, which a daemon that is gone has left: {_WAY_OUT}"
        case errno.EACCES | errno.EPERM:
            return f"not permitted to use the socket {path}: {_permission_advice(path)}"
        case errno.ENOTSOCK | errno.EPROTOTYPE:
            return f"{path} is no socket of a daemon: name its socket with --socket"
        case errno.EAGAIN:
            return f"the daemon on {path} is too busy to answer: see journalctl -u resolvtrace"
        case _:
            return f"no daemon answers on {path} ({error.strerror or error}): {_WAY_OUT}"


def _permission_advice(path: str) -> str:
    try:
        group = grp.getgrgid(os.stat(path).st_gid).gr_name
    except (OSError, KeyError):
        group = "resolvtrace"
    if group == "root":
        return "run as root"
    return f"run as root, or join its group (usermod -aG {group} USER) and log in again"
