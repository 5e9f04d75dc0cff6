"""Who is there throughout: real resolvers of the zoo, those that follow resolv.conf and those that do not."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.demo.lab import Program, World
from tests.support.building import build
from tests.zoo import glibc, languages

NAMES = (
    *("getaddrinfo", "res-query", "single-request", "use-vc", "musl"),
    *("getaddrinfo-no-reload", "res-query-no-reload", "own-state", "use-vc-no-reload", "dnspython", "pycares-4"),
)
NOBODY = "127.23.56.1"
SHORT_LIVED = "while :; do getent ahosts hat.com; sleep 0.3; done"
FORKS = "while :; do for _ in 1 2 3 4 5 6 7 8; do true & done; wait; sleep 0.2; done"


@dataclass(frozen=True)
class Resolvers:
    """The programs, by name."""

    healthy: dict[str, Program]
    frozen: dict[str, Program]


def start(world: World) -> Resolvers:
    """Start them, and what comes and goes beside them."""
    cases = [case for case in (*glibc.CASES, *languages.CASES) if case.name in NAMES]
    missing = set(NAMES) - {case.name for case in cases}
    if missing:
        raise LookupError(f"the zoo has no {', '.join(missing)}")
    running = {case: case.start(world, "hat.com") for case in cases}
    for script in (SHORT_LIVED, FORKS):
        world.start(["sh", "-c", script])
    jobs = world.start([build("fork_jobs", "-lresolv"), "hat.com", "500"])
    return Resolvers(
        {case.name: program for case, program in running.items() if case.expected.state == "current"},
        {case.name: program for case, program in running.items() if case.expected.state == "stale"}
        | {"sendmail's way": jobs},
    )


def send_exactly(world: World, number: int) -> Program:
    """Send a known number of queries where nobody listens; the program stays, to be inspected."""
    program = world.start([build("send_queries"), "sendto", str(number), NOBODY], {"STAY": "1"})
    program.wait_for_line("done", 30)
    return program
