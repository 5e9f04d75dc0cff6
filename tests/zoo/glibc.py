"""glibc in the ways programs use it: what follows resolv.conf by itself, what is configured not to, what cannot.

resolv/resolv_context.c decides: a lookup looks at the file first, unless `no-reload` is set, or the program has edited
its resolver state, or owns it.
"""

from __future__ import annotations

from exporter.demo.lab import NEW, NEW_ANSWER, OLD, Program, World
from tests.support.building import build
from tests.support.tracing import SHORT
from tests.zoo.case import Case, Expected, Site, Start

THIRD = "192.168.122.90"


def getaddrinfo(options: str = "") -> Start:
    """Look the name up again and again as most programs do, with RES_OPTIONS as given."""

    def start(world: World, name: str) -> Program:
        env = {"RES_OPTIONS": options} if options else {}
        return world.start([build("getaddrinfo_loop"), name, "200"], env)

    return start


def res_query(reinit_every: int = 0, options: str = "") -> Start:
    """Ask for records, which goes past nscd; perhaps with a res_init(3) every so many queries."""

    def start(world: World, name: str) -> Program:
        env = {"RES_OPTIONS": options} if options else {}
        return world.start([build("res_query_loop", "-lresolv"), name, "200", str(reinit_every)], env)

    return start


def own_state(world: World, name: str) -> Program:
    """Ask with a resolver state that the program owns (res_nquery(3))."""
    return world.start([build("frozen_state", "-lresolv"), name, "200"])


def serve_third(world: World) -> None:
    """Let the third nameserver answer too."""
    world.nameserver(THIRD, {"hat.com": NEW_ANSWER})


FOLLOWS = Expected("current", "nss", r"lists, and checks the file before it queries", r"^nothing to do$")
FOLLOWS_ITSELF = Expected("current", "direct", r"lists, and checks the file before it queries", r"^nothing to do$")
READ_ONCE = Expected(
    "stale",
    "nss",
    r"it has not re-read the file since generation 1$",
    r"^restart .*; or start nscd: its getaddrinfo\(\) calls switch over within 100 lookups$",
)
READ_ONCE_ITSELF = Expected("stale", "direct", r"it has not re-read the file since generation 1$", r"^restart [^;]*$")
READ_ONCE_AND_ASKS_FOR_MX = Expected(
    "stale",
    "direct",
    r"it has not re-read the file since generation 1$",
    r"^restart .*; nscd cannot help: it queries for more than addresses",
)
NO_RELOAD_IN_FILE = Site(
    "no-reload in the file",
    f"nameserver {OLD}\noptions no-reload\n{SHORT}",
    after=f"nameserver {NEW}\noptions no-reload\n{SHORT}",
)
THREE = Site(
    "three",
    f"nameserver {OLD}\nnameserver {NEW}\nnameserver {THIRD}\n{SHORT}",
    after=f"nameserver {NEW}\nnameserver {THIRD}\n{SHORT}",
    addresses=(THIRD,),
    prepare=serve_third,
)
SERIAL = Site("single-request", f"nameserver {OLD}\noptions single-request\n{SHORT}")

CASES = [
    Case("getaddrinfo", getaddrinfo(), "new", FOLLOWS),
    Case("getaddrinfo-no-reload", getaddrinfo("no-reload"), "old", READ_ONCE),
    Case("no-reload-in-file", getaddrinfo(), "old", READ_ONCE, NO_RELOAD_IN_FILE),
    Case("res-query", res_query(), "new", FOLLOWS_ITSELF),
    Case("res-query-no-reload", res_query(options="no-reload"), "old", READ_ONCE_AND_ASKS_FOR_MX),
    # Every 1.6 s: within the grace, however short.
    Case("res-init", res_query(8, "no-reload"), "new", Expected("current", "direct", r"lists$", r"^nothing to do$")),
    # Every four seconds: it is flagged for some of them, and recovers by itself.
    Case(
        "res-init-rarely",
        res_query(20, "no-reload"),
        "new",
        Expected("current", "direct", r"lists$", r"^nothing to do$"),
        reads=3,
        meanwhile=Expected(
            "stale",
            "direct",
            # Or seen between its read and its next lookup.
            r"it (checks the file every [45] s and will recover by itself"
            r"|has re-read the file since \(generation 2\), and not queried the old server after that)$",
            r"^wait ([45] s: it follows by itself within [45] s; or restart|for its next lookup: it may follow now; )",
        ),
    ),
    Case("own-state", own_state, "old", READ_ONCE_ITSELF),
    Case("single-request", getaddrinfo("single-request"), "new", FOLLOWS),
    Case("single-request-no-reload", getaddrinfo("no-reload"), "old", READ_ONCE, SERIAL),
    Case("use-vc", getaddrinfo("use-vc"), "new", FOLLOWS),
    Case("use-vc-no-reload", getaddrinfo("use-vc no-reload"), "old", READ_ONCE),
    Case("three", getaddrinfo(), "new", FOLLOWS, THREE),
    Case("three-no-reload", getaddrinfo("no-reload"), "old", READ_ONCE, THREE),
    Case("rotate", getaddrinfo("rotate"), "new", FOLLOWS, THREE),
    Case("rotate-no-reload", getaddrinfo("rotate no-reload"), "both", READ_ONCE, THREE, cured=False),
]
