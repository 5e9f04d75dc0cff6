"""Who is at the other end of the Unix socket: unix(7), SO_PEERCRED, and SO_PEERGROUPS beside it."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

import structlog

__all__ = ["Doorkeeper"]

_CREDENTIALS = struct.Struct("=iII")  # struct ucred: pid, uid, gid
_SO_PEERGROUPS = 59  # asm-generic/socket.h; Linux 4.13
_MOST_BYTES = 1024
"""As much as Python asks for: 256 groups. Whoever is in more is known by the primary one alone."""

_log = structlog.get_logger(__name__)


class Doorkeeper:
    """Lets in root, the daemon's own user and the socket's group, whatever has become of the file's mode."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._refused = 0

    def admits(self, peer: socket.socket) -> bool:
        """Whether a client may ask; one that may not is logged, the 1st, 2nd, 4th and so on."""
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
