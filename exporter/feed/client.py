"""The commands' end of the daemon's socket."""

from __future__ import annotations

import errno
import grp
import json
import os
import socket
import time
from contextlib import suppress
from typing import Any, cast

from exporter.escape import printable
from exporter.feed.change_status import ChangeStatus
from exporter.feed.check_json import SCHEMA, from_json
from exporter.feed.serialization import decode
from exporter.feed.top_table import Entry, Table
from tracer.errors import ResolvtraceError
from tracer.report.snapshot import Snapshot

__all__ = [
    "DEFAULT_SOCKET",
    "NoDaemon",
    "explain",
    "fetch_change",
    "fetch_json",
    "fetch_snapshot",
    "fetch_table",
    "fetch_textfile",
    "snapshot_of",
]

DEFAULT_SOCKET = "/run/resolvtrace/resolvtrace.sock"
_CHUNK = 64 * 1024
_START = "start it (systemctl start resolvtrace), or name its socket with --socket"
_NAME_IT = "name its socket with --socket"
_SAME_VERSION = "use a command of its version"
_LOG = "see journalctl -u resolvtrace"


class NoDaemon(ResolvtraceError):  # noqa: N818 - named for what is missing
    """No daemon answers."""

    exit_status = 3


def fetch_snapshot(path: str = DEFAULT_SOCKET, timeout: float = 5.0, *, pid: int | None = None) -> Snapshot:
    """Return the daemon's snapshot, from the socket ``path``, within ``timeout`` seconds.

    With ``pid``: only that process, if it is tracked. Raises NoDaemon.
    """
    return snapshot_of(fetch_json(path, timeout, pid=pid), path)


def snapshot_of(form: dict[str, Any], path: str) -> Snapshot:
    """Return the snapshot that the daemon on ``path`` sent. Raises NoDaemon if it is of another version."""
    try:
        return from_json(form)
    except ValueError as error:
        what = printable(str(error))
        raise NoDaemon(f"the daemon on {path} is of another version ({what})", _SAME_VERSION) from error


def fetch_json(path: str = DEFAULT_SOCKET, timeout: float = 5.0, *, pid: int | None = None) -> dict[str, Any]:
    """Return the snapshot as ``check --json`` prints it. Raises NoDaemon."""
    answer = _fetch({"want": "snapshot"} if pid is None else {"want": "snapshot", "pid": pid}, path, timeout)
    if answer.get("schema", SCHEMA) != SCHEMA:
        schema = printable(str(answer["schema"]))
        raise NoDaemon(f"the daemon on {path} has schema {schema}, not {SCHEMA}", _SAME_VERSION)
    return _with("schema", answer, path)


def fetch_textfile(path: str = DEFAULT_SOCKET, timeout: float = 5.0) -> str:
    """Return the daemon's metrics as a file for the textfile collector. Raises NoDaemon."""
    return str(_with("textfile", _fetch({"want": "textfile"}, path, timeout), path)["textfile"])


def fetch_change(path: str = DEFAULT_SOCKET, timeout: float = 5.0) -> ChangeStatus:
    """Return how far the last change is decided. Raises NoDaemon."""
    form = _with("change", _fetch({"want": "change"}, path, timeout), path)["change"]
    try:
        return decode(ChangeStatus, form)
    except ValueError as error:
        raise NoDaemon(f"the daemon on {path} is of another version ({error})", _SAME_VERSION) from error


def fetch_table(path: str = DEFAULT_SOCKET, timeout: float = 5.0, *, commands: bool = False) -> Table:
    """Return the daemon's table for ``top``; ``commands``: with command lines. Raises NoDaemon."""
    request: dict[str, object] = {"want": "table", "commands": commands}
    answer = cast("Table", _with("table", _fetch(request, path, timeout), path)["table"])
    answer["rows"] = [Entry._make(row) for row in answer["rows"]]
    return answer


def _fetch(request: dict[str, object], path: str, timeout: float) -> dict[str, object]:
    try:
        line = _exchange(path, json.dumps(request).encode() + b"\n", time.monotonic() + timeout)
    except TimeoutError as error:
        raise NoDaemon(f"the daemon on {path} did not answer within {timeout:g} s", _LOG) from error
    except OSError as error:
        raise NoDaemon(*explain(error, path)) from error
    if not line.endswith(b"\n"):
        raise NoDaemon(f"the daemon on {path} closed the connection before it had answered", _LOG)
    return _parse(line, path)


def _exchange(path: str, request: bytes, deadline: float) -> bytes:
    """Send one line and return the answer, or what came of it. Raises OSError; TimeoutError at ``deadline``."""
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.settimeout(_left(deadline))
        daemon.connect(path)
        with suppress(BrokenPipeError):  # a daemon that refuses the client says why before it closes
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


def _parse(line: bytes, path: str) -> dict[str, object]:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict) and "error" in answer:
        why = printable(str(answer["error"]))
        raise NoDaemon(f"the daemon on {path} refused: {why}", _LOG)
    return answer if isinstance(answer, dict) else {}


def _with(key: str, answer: dict[str, object], path: str) -> dict[str, object]:
    if key not in answer:
        raise NoDaemon(f"what answers on {path} is not a resolvtrace daemon", _NAME_IT)
    return answer


def explain(error: OSError, path: str) -> tuple[str, str]:
    """Say why no daemon can be reached on ``path``, and what to do."""
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return f"no daemon is running: {path} does not exist", _START
        case errno.ECONNREFUSED:
            return f"{path} is a stale socket: no daemon is running", _START
        case errno.EACCES | errno.EPERM:
            return f"not permitted to use the socket {path}", _permission_advice(path)
        case errno.ENOTSOCK | errno.EPROTOTYPE:
            return f"{path} is not the socket of a daemon", _NAME_IT
        case errno.EAGAIN:
            return f"the daemon on {path} is too busy to answer", _LOG
        case _:
            return f"no daemon answers on {path} ({error.strerror or error})", _START


def _permission_advice(path: str) -> str:
    try:
        group = grp.getgrgid(os.stat(path).st_gid).gr_name
    except (OSError, KeyError):
        group = "resolvtrace"
    if group == "root":
        return "run as root"
    return f"run as root, or join its group (usermod -aG {group} USER) and log in again"
