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
    """Who may look. Passwords are tried one after the other, in a thread: a hash takes a tenth of a second by design.

    Those found right are remembered by a keyed hash, so that a scrape costs nothing; of those that wait to be tried
    there are few, and whoever comes then is told to come again.
    """

    def __init__(self, users: Mapping[str, bytes]) -> None:
        self._users = users
        self._known: set[bytes] = set()
        self._key = secrets.token_bytes(32)
        self._waiting = 0
        self._thread: ThreadPoolExecutor | None = None

    async def admits(self, header: str) -> bool | None:
        """Tell whether an Authorization header is right; None where too many are being tried already."""
        name, password = _parsed(header)
        seal = hashlib.blake2b(f"{name}\0".encode() + password, key=self._key).digest()
        if seal in self._known:
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
            self._known.add(seal)
        return right

    def _try(self, name: str, password: bytes) -> bool:
        import bcrypt  # noqa: PLC0415 - where there are users alone

        # A name that nobody has takes as long as one that somebody has.
        hashed = self._users.get(name) or next(iter(self._users.values()))
        try:
            right = bcrypt.checkpw(password[:72], hashed)  # bcrypt takes no more, and later versions refuse
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
