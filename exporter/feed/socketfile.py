"""The file of the feed's socket: created, given to its group, and removed; a stale one is replaced."""

from __future__ import annotations

import errno
import grp
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

import structlog

from tracer.errors import ResolvtraceError

__all__ = ["SocketFile"]

_MODE = 0o660
_ELSEWHERE = "choose another path with --socket"
_BACKLOG = 32

_log = structlog.get_logger(__name__)


class SocketFile:
    """A listening Unix socket and its file."""

    def __init__(self, path: Path, listener: socket.socket) -> None:
        self.listener = listener
        self._path = path
        self._inode = _inode(path)

    @classmethod
    def create(cls, path: str, group: str) -> SocketFile:
        """Listen on ``path`` (mode 0660, of ``group`` if that exists). Raises ResolvtraceError.

        A stale socket of a killed daemon is replaced. Two daemons that start within the same microseconds could both
        do that: the later one then serves. systemd starts only one.
        """
        file = Path(path)
        try:
            _make_directory(file.parent)
            _remove_stale(file)
            return cls(file, _listen(file, group))
        except OSError as error:
            why, remedy = _explain(error, file)
            raise ResolvtraceError(f"cannot serve on the socket {path}: {why}", remedy) from error

    def remove(self) -> None:
        """Remove the file, unless another one has replaced it."""
        if _inode(self._path) == self._inode:
            self._path.unlink(missing_ok=True)


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _make_directory(directory: Path) -> None:
    """Create the directory, which /run lacks after a boot, with a mode that lets clients reach the socket."""
    if not directory.is_dir():
        directory.mkdir(mode=0o755)
        directory.chmod(0o755)  # whatever the umask


def _remove_stale(path: Path) -> None:
    """Remove a stale socket. Raises ResolvtraceError if somebody listens on it, or it is not a socket."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise ResolvtraceError(f"{path} exists and is not a socket", f"remove it, or {_ELSEWHERE}")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:  # somebody listens, with a full backlog
            pass
    raise ResolvtraceError(
        f"another resolvtrace daemon serves on {path}", f"stop it (systemctl stop resolvtrace), or {_ELSEWHERE}"
    )


def _listen(path: Path, group: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        os.fchmod(listener.fileno(), 0o600)  # bind() creates the file with this mode: never open to all, unix(7)
        listener.bind(os.fspath(path))
        _share(path, group)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _share(path: Path, group: str) -> None:
    with suppress(KeyError):  # no such group: the socket keeps the daemon's own
        gid = grp.getgrnam(group).gr_gid
        if path.stat().st_gid != gid:  # the service runs with that group, and may not chown(2)
            _give(path, gid, group)
    path.chmod(_MODE)


def _give(path: Path, gid: int, group: str) -> None:
    try:
        os.chown(path, -1, gid)
    except PermissionError:
        _log.warning("not permitted to give the socket to its group", group=group, path=os.fspath(path))


def _explain(error: OSError, path: Path) -> tuple[str, str]:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return f"{path.parent.parent} does not exist", f"create it, or {_ELSEWHERE}"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"not permitted to write in {path.parent}", f"run as root, or {_ELSEWHERE}"
        case _:
            return str(error.strerror or error), _ELSEWHERE
