"""The feed's socket file: made, owned, told apart from one that a killed daemon left, and removed."""

from __future__ import annotations

import errno
import grp
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

import structlog

__all__ = ["FeedError", "SocketFile"]

_MODE = 0o660
_BACKLOG = 32

_log = structlog.get_logger(__name__)


class FeedError(Exception):
    """The socket cannot be served on; the message says why and what to do."""


class SocketFile:
    """A listening Unix socket and the file that stands for it."""

    def __init__(self, path: Path, listener: socket.socket) -> None:
        self.listener = listener
        self._path = path
        self._inode = _inode(path)

    @classmethod
    def create(cls, path: str, group: str) -> SocketFile:
        """Listen on ``path`` (mode 0660, of ``group`` where that exists). Raises FeedError.

        What a daemon that was killed left is replaced. Two daemons that start within the same microseconds over such
        a leftover could both do that; the later one then serves, and systemd starts but one.
        """
        file = Path(path)
        try:
            _make_directory(file.parent)
            _make_way(file)
            return cls(file, _listen(file, group))
        except OSError as error:
            raise FeedError(f"cannot serve on the socket {path}: {_explain(error, file)}") from error

    def remove(self) -> None:
        """Remove the file, unless another has taken its place."""
        if _inode(self._path) == self._inode:
            self._path.unlink(missing_ok=True)


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _make_directory(directory: Path) -> None:
    """Make the directory, as /run has none after a boot; whoever may use the socket has to reach it."""
    if not directory.is_dir():
        directory.mkdir(mode=0o755)
        directory.chmod(0o755)  # whatever the umask


def _make_way(path: Path) -> None:
    """Remove a socket that nobody listens on any more. Raises FeedError where somebody does, or it is no socket."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise FeedError(f"{path} is there and is no socket: remove it, or choose another place with --socket")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:  # somebody listens, and has more to do than the backlog holds
            pass
    raise FeedError(
        f"another resolvtrace daemon serves on {path}: stop it (systemctl stop resolvtrace), "
        "or choose another place with --socket"
    )


def _listen(path: Path, group: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        os.fchmod(listener.fileno(), 0o600)  # bind() makes the file with this mode: never open to all, unix(7)
        listener.bind(os.fspath(path))
        _share(path, group)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _share(path: Path, group: str) -> None:
    with suppress(KeyError):  # no such group: the socket stays with the daemon's own
        gid = grp.getgrnam(group).gr_gid
        if path.stat().st_gid != gid:  # the service runs with that group, and may not call chown(2)
            _give(path, gid, group)
    path.chmod(_MODE)


def _give(path: Path, gid: int, group: str) -> None:
    try:
        os.chown(path, -1, gid)
    except PermissionError:
        _log.warning("not permitted to give the socket to its group", group=group, path=os.fspath(path))


def _explain(error: OSError, path: Path) -> str:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return f"there is no directory {path.parent.parent}; make it, or choose another place with --socket"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"not permitted to write in {path.parent}; run as root, or choose another place with --socket"
        case _:
            return str(error.strerror or error)
