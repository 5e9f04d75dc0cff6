"""Who may use the Unix socket, by its peer credentials: SO_PEERCRED of unix(7), and SO_PEERGROUPS."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

import structlog

__all__ = ["AccessControl"]

_CREDENTIALS = struct.Struct("=iII")  # struct ucred: pid, uid, gid
_SO_PEERGROUPS = 59  # asm-generic/socket.h; Linux 4.13
_MOST_BYTES = 1024
"""256 groups, the most that getsockopt() of Python returns. A user in more is known by the primary one."""

_log = structlog.get_logger(__name__)


class AccessControl:
    """Allows root, the daemon's own user and the socket's group, whatever the file's mode is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._refused = 0

    def allows(self, peer: socket.socket) -> bool:
        """Whether a client is allowed; refusals are logged, the 1st, 2nd, 4th and so on."""
        pid, uid, gid = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        if uid in {0, os.geteuid()} or self._group() in {gid, *_groups(peer)}:
            return True
        self._refused += 1
        if self._refused & (self._refused - 1) == 0:
            _log.warning("client refused", pid=pid, uid=uid, refused=self._refused)
        return False

    def _group(self) -> int | None:
        try:
            return self._path.lstat().st_gid
        except OSError:
            return None


def _groups(peer: socket.socket) -> tuple[int, ...]:
    try:
        data = peer.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_BYTES)
    except OSError:
        return ()
    return struct.unpack(f"={len(data) // 4}I", data)
