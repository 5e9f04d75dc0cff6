"""What a row of the scorecard is: a way of querying, and what resolvtrace must say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

from exporter.demo.lab import Program

COUNT = 23
"""How many queries a program sends, if a row says nothing else: a prime, which no batch or buffer comes to."""
CHILDS = 19
"""How many a child sends of its own, if it does."""
ESTIMATE = "estimate: segments with payload"
DOMAIN = "hat.com"
LISTED = "192.0.2.254"
"""What resolv.conf lists; nobody queries it."""

Filled = Callable[[str], str]
"""Puts what is a row's own where ``{v4}``, ``{other}``, ``{third}``, ``{v6}``, ``{directory}``, ``{name}`` stand."""
Proof = Callable[[Program, int, int], str]
"""Given a row's program, the pid that queries and the home world's: why the row does not prove what it says, or ""."""


@dataclass(frozen=True)
class Asked:
    """What a process sends to one nameserver, as `check --json` must have it."""

    address: str
    queries: int = COUNT
    transport: Literal["udp", "tcp", "tls"] = "udp"
    port: int = 53
    of_workers: int = 0

    @property
    def estimated(self) -> bool:
        """Whether the contract calls the count an estimate."""
        return self.transport != "udp"

    def __str__(self) -> str:
        number = f"{self.queries}" if not self.of_workers else f"{self.queries} and {self.of_workers} by workers"
        about = "about " if self.estimated else ""
        return f"{about}{number} to {self.address} ({self.transport} {self.port})"


@dataclass(frozen=True)
class Place:
    """Where a program runs.

    ``command`` goes before the program's own; if it ``forks``, the process meant is its only child. ``is_root``:
    the row's directory is made into a root directory with the program and a resolv.conf in it. ``listed`` is what the
    resolv.conf there lists, and ``row`` what else `check --json` must say of the process.
    """

    world: Literal["home", "far"] = "home"
    command: tuple[str, ...] = ()
    forks: bool = False
    is_root: bool = False
    cgroup: str | None = None
    listed: str = LISTED
    row: Mapping[str, Any] = field(default_factory=dict)


HOME = Place()


@dataclass(frozen=True)
class Row:
    """One way of querying.

    ``argv`` is one of tests/programs, compiled with ``flags``, and its arguments. It must query what ``asks`` says, and
    nothing else; if that is empty, it must not be tracked at all. ``other`` is the same for a second
    process, ``other_is`` which: the one that the program names as its child, or the loopback stub. ``received`` is how
    many queries reach nameservers, by what these logged. ``early``: its sockets are older than the daemon. ``gone``:
    the child has exited when the daemon reads /proc, and is known by its program alone. ``lost``: how many, at the
    least, the daemon must say that it could not attribute.
    """

    name: str
    argv: tuple[str, ...]
    asks: tuple[Asked, ...]
    other: tuple[Asked, ...] | None = None
    other_is: Literal["child", "stub"] = "child"
    received: int = COUNT
    flags: tuple[str, ...] = ()
    place: Place = HOME
    early: bool = False
    gone: bool = False
    lost: int = 0
    proof: Proof | None = None
    remark: str = ""


ONE = (Asked("{v4}"),)
TCP = (Asked("{v4}", transport="tcp"),)


def sends(mode: str, address: str = "{v4}") -> tuple[str, ...]:
    """Give the arguments with which tests/programs/send_queries.c sends COUNT queries."""
    return ("send_queries", mode, f"{COUNT}", address)


def filled(number: int, directory: Path) -> Filled:
    """Give the addresses and the directory of the row with that number; no other row has them."""
    own = {
        "v4": f"192.0.2.{number}",
        "other": f"198.51.100.{number}",
        "third": f"203.0.113.{number}",
        "v6": f"fd00::{number:x}",
        "directory": str(directory / str(number)),
        "certificate": str(certificate(directory)),
        "name": f"{number}.{DOMAIN}",
    }
    return lambda text: text.format_map(own)


def certificate(directory: Path) -> Path:
    """Where the TLS server's certificate is, which its clients trust."""
    return directory / "certificate.pem"


def own_addresses(row: Row, fill: Filled) -> list[str]:
    """Give the addresses of its own that a row's program is given, without those that the network has for all."""
    return [fill(word) for word in row.argv if "{" in word and is_address(fill(word))]


def is_address(text: str) -> bool:
    """Say whether it is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
