"""Basic authentication (RFC 7617) against bcrypt hashes."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

__all__ = ["Credentials"]

_MOST_KNOWN = 64
_MOST_WAITING = 4


class Credentials:
    """The users and their passwords, checked one at a time in a thread: a hash takes 0.1 s by design.

    Correct ones are remembered by a keyed hash, so that a scrape costs nothing. Few checks may wait; further clients
    have to try again.
    """

    def __init__(self, users: Mapping[str, bytes]) -> None:
        self._users = users
        self._known: set[bytes] = set()
        self._key = secrets.token_bytes(32)
        self._waiting = 0
        self._thread: ThreadPoolExecutor | None = None

    async def verify(self, header: str) -> bool | None:
        """Return whether an Authorization header is correct; None if too many checks are waiting."""
        name, password = _parsed(header)
        token = hashlib.blake2b(f"{name}\0".encode() + password, key=self._key).digest()
        if token in self._known:
            return True
        if not name:
            return False
        if self._waiting >= _MOST_WAITING:
            return None
        self._waiting += 1
        try:
            self._thread = self._thread or ThreadPoolExecutor(1, "bcrypt")
            right = await asyncio.get_running_loop().run_in_executor(self._thread, self._try, name, password)
        finally:
            self._waiting -= 1
        if right:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known.add(token)
        return right

    def _try(self, name: str, password: bytes) -> bool:
        import bcrypt  # noqa: PLC0415 - only if there are users

        # An unknown name takes as long as a known one.
        hashed = self._users.get(name) or next(iter(self._users.values()))
        try:
            right = bcrypt.checkpw(password[:72], hashed)  # bcrypt's limit; later versions refuse more
        except ValueError:
            return False
        return right and name in self._users


def _parsed(header: str) -> tuple[str, bytes]:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return "", b""
    try:
        name, colon, password = base64.b64decode(value.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return "", b""
    return (name.decode("utf-8", "replace"), password) if colon else ("", b"")
