"""How a process looks names up, and what carries its queries."""

from __future__ import annotations

from enum import StrEnum


class LookupPath(StrEnum):
    """How a process looks names up."""

    NSCD = "nscd"
    NSS = "nss"
    RESOLVED = "resolved"
    SSSD = "sssd"
    MIXED = "mixed"
    DIRECT = "direct"
    UNKNOWN = "unknown"


class Transport(StrEnum):
    """What carries the queries. Counts over TCP and TLS are estimates: segments with payload."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"
