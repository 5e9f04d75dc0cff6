"""nscd and unscd: they query on behalf of programs that use glibc (nscd(8)), and follow the file or do not."""

from __future__ import annotations

from exporter.demo.lab import Program, World, wait_until
from tests.support.building import build
from tests.zoo.case import Case, Expected, Site, Start
from tests.zoo.driving import drive
from tests.zoo.extracted import unpack


def client(world: World, name: str) -> Program:
    """Look names up as most programs do: by getaddrinfo, which tries nscd first if there is one."""
    return drive(world, "names", name)


def nscd(options: str = "") -> Start:
    """Run nscd with RES_OPTIONS as given, and a client of it: all that it queries is for this one."""

    def start(world: World, name: str) -> Program:
        program = world.start_nscd({"RES_OPTIONS": options} if options else {})
        client(world, name)
        return program

    return start


def unscd(world: World, name: str) -> Program:
    """Run unscd, nscd's small replacement, in the foreground (-d), and a client of it."""
    program = world.start([unpack("unscd") / "usr/sbin/nscd", "-d"])
    wait_until(world.path("/run/nscd/socket").exists, 10, "unscd to listen")
    client(world, name)
    return program


def res_query(world: World, name: str) -> Program:
    """Ask for records past any nscd, with a resolver that read the file once."""
    return world.start([build("res_query_loop", "-lresolv"), name, "200", "0"], {"RES_OPTIONS": "no-reload"})


BESIDE_NSCD = Site("nscd")
BESIDE_STALE_NSCD = Site("nscd that read once")
BESIDE_UNSCD = Site("unscd")

ITSELF = Expected("current", "direct", r"lists, and checks the file before it queries", r"nothing to do")
THROUGH_NSCD = r"looks names up through nscd \(pid \d+\), which is "
READ_ONCE = r"it has not re-read the file since generation 1"
# nscd reads the file when it changes, in one thread of its own (resolvers.md); those that query keep what they had.
ASKS_BESIDE_WHAT_IT_READ = (
    r"it re-read the file \(generation 2\) and still queries the old server: .* or a second resolver in it"
)
UNSEEN = Expected("current", "nscd", "", "")

CASES = [
    Case("nscd", nscd(), "new", ITSELF, BESIDE_NSCD),
    Case(
        "nscd-client",
        client,
        "new",
        Expected("current", "nscd", THROUGH_NSCD + "current", r"nothing to do"),
        BESIDE_NSCD,
    ),
    Case(
        "beside-nscd",
        res_query,
        "old",
        Expected("stale", "direct", READ_ONCE, r"restart .*; it queries nameservers directly, bypassing nscd$"),
        BESIDE_NSCD,
    ),
    Case(
        "nscd-no-reload",
        nscd("no-reload"),
        "old",
        Expected("stale", "direct", ASKS_BESIDE_WHAT_IT_READ, r"restart nscd \(pid \d+\)"),
        BESIDE_STALE_NSCD,
    ),
    Case(
        "nscd-no-reload-client",
        client,
        "old",
        Expected("current", "nscd", THROUGH_NSCD + "stale", r"restart nscd \(pid \d+\)"),
        BESIDE_STALE_NSCD,
    ),
    # Each lookup is made by a child that reads the file, queries and exits; the rest of it does neither.
    Case("unscd", unscd, "new", UNSEEN, BESIDE_UNSCD, tracked=False),
    # It reads no resolv.conf, and unscd hands out no table of names by which a client of nscd could be recognized.
    Case("unscd-client", client, "new", UNSEEN, BESIDE_UNSCD, tracked=False),
]
