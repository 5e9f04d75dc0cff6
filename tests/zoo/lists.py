"""The ways in which the list itself changes in the field, with programs that follow and programs that read once."""

from __future__ import annotations

from exporter.demo.lab import NEW, NEW_ANSWER, OLD, World
from tests.zoo.case import Case, Expected, Site
from tests.zoo.glibc import FOLLOWS, READ_ONCE, getaddrinfo

THIRD, FOURTH = "192.168.122.90", "192.168.122.91"
QUICK = "options timeout:1 attempts:1"
PATIENT = "timeout:10"
"""A lookup may last ten seconds then, and so does the grace."""


def listing(*nameservers: str, options: str = "") -> str:
    """Give the text of a resolv.conf."""
    return "".join(f"nameserver {address}\n" for address in nameservers) + f"{QUICK} {options}\n"


def serve_others(world: World) -> None:
    """Let the third and the fourth answer too."""
    for address in (THIRD, FOURTH):
        world.nameserver(address, {"hat.com": NEW_ANSWER})


def site(name: str, *lists: str) -> Site:
    """Give a world whose resolv.conf goes through these lists."""
    return Site(name, lists[0], lists[1:-1], lists[-1], (THIRD, FOURTH), serve_others)


def read_at(generation: int) -> Expected:
    """Expect the flag on one that read that generation."""
    return Expected("stale", "nss", rf"has not re-read the file since generation {generation}$", r"^restart ")


LISTED = Expected("current", "nss", r"queries .*, which /etc/resolv\.conf lists$", r"^nothing to do$")
ONE_REMOVED = site(
    "one-removed",
    listing(OLD, NEW, THIRD, options="rotate"),
    listing(OLD, NEW, options="rotate"),
)
SWAPPED = site("swapped", listing(OLD, NEW), listing(NEW, OLD))
PUT_BACK = site("put-back", listing(OLD, options=PATIENT), listing(NEW, options=PATIENT), listing(OLD, options=PATIENT))
REWRITTEN = site("rewritten", listing(OLD), listing(OLD))
SHARED = site("shared", listing(OLD, THIRD), listing(NEW, THIRD))
MANY = site("many", listing(OLD), listing(THIRD), listing(OLD, THIRD), listing(FOURTH), listing(NEW))

CASES = [
    Case("removed-follows", getaddrinfo(), "both", FOLLOWS, ONE_REMOVED),
    Case("removed-frozen", getaddrinfo("no-reload"), "both", READ_ONCE, ONE_REMOVED, cured=False),
    Case("swapped-follows", getaddrinfo(), "new", FOLLOWS, SWAPPED),
    Case("swapped-frozen", getaddrinfo("no-reload"), "old", LISTED, SWAPPED),
    Case("put-back-follows", getaddrinfo(), "old", FOLLOWS, PUT_BACK),
    Case("put-back-frozen", getaddrinfo("no-reload"), "old", LISTED, PUT_BACK),
    Case("rewritten-follows", getaddrinfo(), "old", FOLLOWS, REWRITTEN),
    Case("rewritten-frozen", getaddrinfo("no-reload"), "old", LISTED, REWRITTEN),
    Case("shared-follows", getaddrinfo(), "new", FOLLOWS, SHARED),
    Case("shared-frozen", getaddrinfo("no-reload"), "old", READ_ONCE, SHARED),
    Case("many-follows", getaddrinfo(), "new", FOLLOWS, MANY),
    Case("many-first", getaddrinfo("no-reload"), "old", read_at(1), MANY),
    Case("many-second", getaddrinfo("no-reload"), "nobody", read_at(2), MANY, born=1),
    Case("many-third", getaddrinfo("no-reload"), "old", read_at(3), MANY, born=2),
    Case("many-fourth", getaddrinfo("no-reload"), "nobody", read_at(4), MANY, born=3),
]
