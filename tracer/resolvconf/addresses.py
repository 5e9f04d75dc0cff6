"""Addresses of nameservers: their one written form, and the forms that resolvers read.

Nothing here raises on any input. The words are bytes because a resolv.conf is: nobody promises an encoding.
"""

from __future__ import annotations

import re
import socket
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

__all__ = ["canonical", "canonical_text", "ipv4", "ipv4_in_decimal", "ipv6"]

_IPV4_BYTES = 4
_IPV4_DIGITS = re.compile(rb"[0-9a-fA-FxX.]+")
_IPV4_DECIMAL = re.compile(rb"\d{1,9}(?:\.\d{1,9}){0,3}")
_OCTET_MAX = 255


@lru_cache(4096)
def canonical(packed: bytes, scope: str | None = None) -> str:
    """Return the one way this project writes an address of 4 or 16 bytes (network order).

    IPv6 as RFC 5952 has it; a v4-mapped address as the IPv4 address that is on the wire; ``%scope`` (an
    interface's name) behind a link-local one only, since an interface means nothing to any other.
    """
    if len(packed) == _IPV4_BYTES:
        return str(IPv4Address(packed))
    address = IPv6Address(packed)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    link_local = packed[0] == 0xFE and packed[1] & 0xC0 == 0x80  # noqa: PLR2004 - fe80::/10
    return f"{address}%{scope}" if scope and link_local else str(address)


def canonical_text(text: str) -> str:
    """Return the same form of an address as somebody wrote it. Raises ValueError where it is none."""
    address, _, scope = text.strip().partition("%")
    return canonical(ip_address(address).packed, scope or None)


def ipv4(word: bytes) -> bytes | None:
    """Return what inet_aton(3) makes of the whole word, None if it refuses: glibc's and musl's reading.

    It takes one to four parts, hexadecimal and octal ones too: ``10.1`` is 10.0.0.1, ``010.0.0.1`` is 8.0.0.1.
    """
    # inet_aton() itself ignores what follows white space such as CR; the resolver does not.
    if not _IPV4_DIGITS.fullmatch(word):
        return None
    try:
        return socket.inet_aton(word.decode("ascii"))
    except OSError:
        return None


def ipv4_in_decimal(word: bytes) -> bytes | None:
    """Return the reading of those who know no octal and fill up with zeros on the right, None if they refuse.

    So does c-ares (its inet_net_pton.c): ``192.000.002.010`` is 192.0.2.10 to it, and ``10.1`` is 10.1.0.0.
    """
    if not _IPV4_DECIMAL.fullmatch(word):
        return None
    octets = [int(part) for part in word.split(b".")]
    return bytes(octets).ljust(_IPV4_BYTES, b"\0") if max(octets) <= _OCTET_MAX else None


def ipv6(word: bytes) -> bytes | None:
    """Return what inet_pton(3) makes of the word as an IPv6 address without scope, None if it refuses."""
    try:
        return socket.inet_pton(socket.AF_INET6, word.decode("latin-1"))
    except (OSError, ValueError):  # the second for a NUL
        return None
