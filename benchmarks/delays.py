"""How long one waits: for READY, and for the flag."""

from __future__ import annotations

import signal
import time

from benchmarks.figure import Figure, at_most, median, spread
from benchmarks.running import RunningDaemon, running_daemon, scale
from exporter.demo.lab import NAME, NEW, OLD, Program, World, wait_until
from tests.support.building import build

_STARTS = 7
_FROZEN = 12
_INTERVAL_MS = 100
_GRACE_SECONDS = 1
_SHORT = "options timeout:1 attempts:1\n"
_LONGEST_LOOKUP_SECONDS = 4
"""Below _SHORT; the grace is no shorter."""
_POLL_SECONDS = 0.02
_SECONDS = "{:.2f} s"


def _starts() -> Figure:
    seconds = []
    for _ in range(max(1, int(_STARTS * scale()))):
        with running_daemon() as daemon:
            seconds.append(daemon.ready_seconds)
    return at_most("start to READY", median(seconds), 1.0, _SECONDS, spread(seconds, _SECONDS))


def _frozen(world: World) -> Program:
    """Start a process that reads resolv.conf once, and stop it when it has asked."""
    program = world.start(
        [build("getaddrinfo_loop"), NAME, str(_INTERVAL_MS)], {"RES_OPTIONS": "no-reload timeout:1 attempts:1"}
    )
    program.wait_for_line(".")
    program.send_signal(signal.SIGSTOP)
    return program


def _seconds_to_flag(daemon: RunningDaemon, program: Program) -> float:
    """Let a process go on, whose next lookup is two queries at once (A and AAAA), and so the threshold."""
    flagged = daemon.metric("resolvtrace_stale_processes")
    begun = time.monotonic()
    program.send_signal(signal.SIGCONT)
    while daemon.metric("resolvtrace_stale_processes") == flagged:
        time.sleep(_POLL_SECONDS)
    return time.monotonic() - begun


def _flags() -> Figure:
    seconds = []
    with (
        running_daemon(f"grace_seconds = {_GRACE_SECONDS}\nmin_queries = 2\n") as daemon,
        World([OLD, NEW], f"{_SHORT}nameserver {OLD}\n") as world,
    ):
        world.nameserver(OLD, {NAME: "192.0.2.203"})
        programs = [_frozen(world) for _ in range(max(2, int(_FROZEN * scale())))]
        wait_until(lambda: _known(daemon, len(programs)), 20, "all to be known")
        world.write_resolv_conf(f"{_SHORT}nameserver {NEW}\n")
        time.sleep(_LONGEST_LOOKUP_SECONDS + 1)
        for number, program in enumerate(programs):
            time.sleep(0.083 * number)  # at all distances from a tick
            seconds.append(_seconds_to_flag(daemon, program))
    what = "from the query that passes the threshold to the flag in /metrics"
    return at_most(what, max(seconds), 1.5, _SECONDS, f"the slowest of {len(seconds)}; {spread(seconds, _SECONDS)}")


def _known(daemon: RunningDaemon, number: int) -> bool:
    return daemon.metric('resolvtrace_processes{state="current"}') >= number


def measure() -> list[Figure]:
    """Start it some times; then change a resolv.conf below processes that will not notice."""
    return [_starts(), _flags()]
