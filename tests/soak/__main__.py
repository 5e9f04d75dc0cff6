"""Run the soak: ``python -m tests.soak --seconds N``. Prints one line at the end; status 0 if all is right."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

from exporter.demo.lab import NEW, OLD, WAYS, Experiment, LabError, Way, experiment, wait_until
from tests.soak import resolvers
from tests.soak.invariants import BrokenError, Invariants
from tests.support.tracing import RESOLVTRACE, SHORT, Daemon, daemon

ROUND_SECONDS = 20.0
BOUND_SECONDS = 15.0
"""A frozen process is flagged within this: the grace of four seconds, one query more, two ticks, and a slow machine."""
LOOK_SECONDS = 2.0
WARM_UP_ROUNDS = 4
QUERIES = 23
RELOAD_EVERY = 5
NO_ANSWER = 3
"""Of a command that waited five seconds: reported at the end. Whether the daemon answers at all is checked besides."""
RING_PAGES = 1024
"""Room for what happens while others have the processors: every read of a resolv.conf on the machine is in it."""


class Soak:
    """Rounds: the file changes, programs come and go, and everything is looked at."""

    def __init__(self, lab: Experiment, running: Daemon, started: resolvers.Resolvers) -> None:
        self._lab = lab
        self._daemon = running
        self._resolvers = started
        self.invariants = Invariants(running, started)
        self.changes = self.flags = self.exact = self.late = 0
        self.slowest = 0.0

    def run(self, seconds: float) -> None:
        """Go on for so long. Raises BrokenError, and whatever a client or the lab raises."""
        end = time.monotonic() + seconds
        for number, (way, address) in enumerate(turns()):
            if time.monotonic() >= end:
                return
            until = min(time.monotonic() + ROUND_SECONDS, end)
            self._change(way, address)
            self._clients()
            self._count()
            if number % RELOAD_EVERY == 0:
                self._daemon.process.send_signal(signal.SIGHUP)
            while time.monotonic() < until:
                self.invariants.look()
                time.sleep(LOOK_SECONDS)
            if number + 1 == WARM_UP_ROUNDS:
                self.invariants.settled()

    def _change(self, way: Way, address: str) -> None:
        self._lab.world.write_resolv_conf(f"nameserver {address}\n{SHORT}", way)
        self.changes += 1
        begun = time.monotonic()
        wanted = "stale" if address == NEW else "current"
        for name, program in self._resolvers.frozen.items():
            row = self._daemon.wait_for_state(program.pid, wanted, BOUND_SECONDS)
            self.flags += wanted == "stale"
            if row["pid"] != program.pid:
                raise BrokenError(f"{name} is another process")
        self.slowest = max(self.slowest, time.monotonic() - begun)

    def _clients(self) -> None:
        self.invariants.scrape()
        some = next(iter(self._resolvers.frozen.values())).pid
        for words, wanted in (
            (("top", "-b", "-n", "2", "-d", "0.5"), {0}),
            (("check", "--json"), {0, 1}),
            (("explain", str(some)), {0}),
            (("who", OLD), {1}),
        ):
            status = subprocess.run(
                [str(RESOLVTRACE), *words, "--socket", self._daemon.socket],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                timeout=60,
            ).returncode
            self.late += status == NO_ANSWER
            if status not in wanted | {NO_ANSWER}:
                raise BrokenError(f"{' '.join(words)} ended with {status}")

    def _count(self) -> None:
        program = resolvers.send_exactly(self._lab.world, QUERIES)

        def counted() -> int:
            row = self._daemon.row(program.pid)
            return sum(use["queries"] for use in row["nameservers"]) if row else 0

        wait_until(lambda: counted() >= QUERIES, BOUND_SECONDS, f"{QUERIES} queries to be counted")
        if counted() != QUERIES:
            raise BrokenError(f"{counted()} queries were counted, {QUERIES} were sent")
        self.exact += QUERIES
        program.stop()


def turns() -> Iterator[tuple[Way, str]]:
    """Give each way of changing the file with each nameserver in turn, beginning with the new one."""
    for way in cycle(WAYS):
        yield way, NEW
        yield way, OLD


def main() -> int:
    """Run it, and tell."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800.0)
    seconds: float = parser.parse_args().seconds
    begun = time.monotonic()
    problem, log = None, ""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="resolvtrace-soak-")))
        lab = stack.enter_context(experiment())
        lab.world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
        running = stack.enter_context(daemon(directory, grace=1.0, capacity={"ring_pages": RING_PAGES}))
        started = resolvers.start(lab.world)
        soak = Soak(lab, running, started)
        try:
            for program in (*started.healthy.values(), *started.frozen.values()):
                running.wait_for_state(program.pid, "current", 60)
            soak.run(seconds)
        except (AssertionError, LabError, TimeoutError, OSError, subprocess.SubprocessError) as error:
            problem, log = error, running.log()
    print(line(soak, time.monotonic() - begun, problem))  # noqa: T201 -- the one line
    if problem:
        sys.stderr.write(log)
    return 1 if problem else 0


def line(soak: Soak, seconds: float, problem: Exception | None) -> str:
    """Say how it went, in one line."""
    seen = soak.invariants
    size = f"{(seen.memory or 0) / (1 << 20):.1f} MB after the warm-up, {seen.most_memory / (1 << 20):.1f} at most"
    return (
        f"soak: {'ok' if problem is None else f'BROKEN: {problem}'}; {seconds:.0f} s, {soak.changes} changes, "
        f"{soak.flags} flags, the slowest round of them {soak.slowest:.1f} s, {soak.exact} queries counted exactly, "
        f"{seen.looks} looks, no false flag, {soak.late} answers late, {size}, lost {seen.losses or 'nothing'}"
    )


if __name__ == "__main__":
    sys.exit(main())
