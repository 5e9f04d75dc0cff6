"""glibc in the ways programs use it: what follows resolv.conf by itself, and what was told not to."""

from __future__ import annotations

from building import build

from exporter.lab import Program, World
from zoo.case import Case, Expected, Start


def getaddrinfo(options: str = "") -> Start:
    """Look the name up again and again as most programs do, with RES_OPTIONS as given."""

    def start(world: World, name: str) -> Program:
        env = {"RES_OPTIONS": options} if options else {}
        return world.start([build("getaddrinfo_loop"), name, "200"], env)

    return start


FOLLOWS = Expected("current", "nss", r"lists, and looks at the file before it asks", r"nothing to do")
READ_ONCE = Expected("stale", "nss", r"it read the file at generation 1 and never since", r"restart .*; or start nscd")

CASES = [
    Case("getaddrinfo", getaddrinfo(), "new", FOLLOWS),
    Case("getaddrinfo-no-reload", getaddrinfo("no-reload"), "old", READ_ONCE),
]
