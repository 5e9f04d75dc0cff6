"""The tracer with a clock of the test's own: real probes and processes, a wall clock that is set, and a suspend."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter.demo.lab import NAME, NEW_ANSWER, OLD, Experiment, experiment
from tests.support.building import build
from tests.support.tracing import SHORT
from tracer.child_processes import ChildProcesses
from tracer.clock import Clock
from tracer.engine import Settings, Tracer
from tracer.report.snapshot import ProcessSnapshot, Snapshot
from tracer.resolvconf.history import SECOND
from tracer.verdict.rules import Policy
from tracer.verdict.states import State
from tracer.verdict.verdict import Thresholds

HOUR = 3600 * SECOND
SLEEP = 10 * SECOND
TIMEOUT = 60.0


class SkewedClock(Clock):
    """The machine's clocks, and what a test adds to them."""

    def __init__(self) -> None:
        self.wall_is_ahead = 0
        self.slept = 0

    def wall(self) -> int:
        """Give the wall clock as it was set."""
        return super().wall() + self.wall_is_ahead

    def suspended(self) -> int:
        """Give the suspends of the machine, and ours."""
        return super().suspended() + self.slept


class Ticking:
    """A tracer, ticked by the test."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self.snapshots: list[Snapshot] = []

    def until(self, test: Callable[[Snapshot], bool], what: str) -> Snapshot:
        """Tick until a snapshot passes a test."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            self._tracer.refresh()
            self._tracer.turn()
            self._tracer.wait_for_programs()
            self._tracer.tick()
            self.snapshots.append(self._tracer.snapshot())
            if test(self.snapshots[-1]):
                return self.snapshots[-1]
            time.sleep(0.2)  # a tick's length
        raise AssertionError(f"{what}: not in {TIMEOUT:g} s")

    def states(self, pid: int) -> set[State]:
        """Give every state that a process was ever in."""
        return {row.state for snapshot in self.snapshots if (row := of(snapshot, pid))}


def of(snapshot: Snapshot, pid: int) -> ProcessSnapshot | None:
    """Give one process of a snapshot."""
    return next((row for row in snapshot.processes if row.pid == pid), None)


@pytest.fixture
def lab() -> Iterator[Experiment]:
    """Give the report's experiment, with lookups that end soon without an answer."""
    with experiment() as made:
        made.world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
        yield made


@pytest.mark.filterwarnings("ignore")  # those of bcc, which is loaded in a child of this process
def test_a_clock_that_is_set_and_a_suspend(lab: Experiment, tmp_path: Path) -> None:
    """An hour forward and back around a change, ten seconds of sleep in its grace: the right flag, later, no other."""
    clock = SkewedClock()
    frozen, healthy = (
        lab.world.start([build("getaddrinfo_loop"), NAME, "100"], {"RES_OPTIONS": options})
        for options in ("no-reload", "")
    )
    children = ChildProcesses()
    tracer = Tracer(Settings(tmp_path, Policy(Thresholds(grace_seconds=1.0))), children, clock)
    try:
        tracer.start()
        ticking = Ticking(tracer)

        def both_are(state: State) -> Callable[[Snapshot], bool]:
            pids = (frozen.pid, healthy.pid)
            return lambda snapshot: all((row := of(snapshot, pid)) and row.state is state for pid in pids)

        ticking.until(both_are(State.CURRENT), "both to be current")

        def frozen_is(state: State) -> Callable[[Snapshot], bool]:
            return lambda snapshot: (row := of(snapshot, frozen.pid)) is not None and row.state is state

        clock.wall_is_ahead = HOUR
        ticking.until(both_are(State.CURRENT), "both to be current an hour later")
        lab.change()
        changed = time.monotonic()
        healthy.wait_for_line(NEW_ANSWER)
        ticking.until(frozen_is(State.GRACE), "grace")
        clock.slept, clock.wall_is_ahead = SLEEP, -HOUR
        ticking.until(frozen_is(State.STALE), "flag")
        assert time.monotonic() - changed > SLEEP / SECOND
        clock.wall_is_ahead = 0
        ticking.until(frozen_is(State.STALE), "flag")
        assert State.STALE not in ticking.states(healthy.pid)
        (view,) = {row.view for snapshot in ticking.snapshots if (row := of(snapshot, frozen.pid))}
        generations = {one.generation for snapshot in ticking.snapshots for one in snapshot.views if one.id == view}
        assert generations == {1, 2}
    finally:
        tracer.close()
        children.close()
