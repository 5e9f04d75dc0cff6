"""Flags raised and cleared: each reported once, with why it was cleared."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.doubles import NEW, OLD
from tests.support.samples import process
from tests.support.world import World
from tracer.ledger.process import Process
from tracer.report.events import FlagChanges, Kind, Why
from tracer.report.snapshot import ProcessSnapshot
from tracer.verdict.rules import Action, Policy, Rule


def _described(one: Process) -> ProcessSnapshot:
    return process(one.pid, one.worst)


class _Events:
    """A world whose events are taken."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.changes = FlagChanges(world.ledger)

    def take(self) -> list[tuple[Kind, int, str | None, Why | None]]:
        """Give what is new: kind, pid, nameserver, why."""
        taken = self.changes.take(
            self.world.ledger.evaluator.flagged, self.world.clock.now, _described, lambda boot: boot
        )
        return [(one.kind, one.process.pid if one.process else 0, one.nameserver, one.why) for one in taken]


@pytest.fixture
def events() -> _Events:
    """Let a process be flagged, and take the event."""
    own = _Events(World())
    own.world.start(10)
    own.world.make_stale(10)
    assert own.take() == [(Kind.STALE, 10, OLD, None)]
    return own


def test_a_standing_flag_is_reported_once(events: _Events) -> None:
    """However often it queries."""
    events.world.query(10, OLD, 23)
    events.world.tick()
    assert events.take() == []


def _lists_again(world: World) -> None:
    world.change(OLD)


def _follows(world: World) -> None:
    world.read(10)
    world.query(10, NEW)


def _switches(world: World) -> None:
    world.clock.advance(301)
    world.query(10, NEW)


def _exempts(world: World) -> None:
    world.ledger.set_policy(Policy(rules=(Rule(Action.IGNORE, "the lab", comm="getip"),)))


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (lambda world: world.exit(10), Why.EXITED),
        (lambda world: world.execute(10), Why.EXECED),
        (_lists_again, Why.LISTED),
        (_follows, Why.REREAD),
        (_switches, Why.SWITCHED),
        (_exempts, Why.RULE),
    ],
)
def test_a_cleared_flag_is_reported_with_the_evidence(
    events: _Events, happens: Callable[[World], object], why: Why
) -> None:
    """Once, and then no more."""
    happens(events.world)
    events.world.tick()
    assert events.take() == [(Kind.CLEARED, 10, OLD, why)]
    events.world.tick()
    assert events.take() == []


def test_an_heir_takes_the_flag_over(events: _Events) -> None:
    """So that who adds up events has what check shows."""
    events.world.fork(10, 11)
    events.world.query(11, OLD)
    events.world.tick()
    assert events.take() == []
    events.world.exit(10)
    events.world.tick()
    assert events.take() == [(Kind.CLEARED, 10, OLD, Why.EXITED), (Kind.STALE, 11, OLD, None)]


def test_a_restart_tells_nothing_of_flags_that_stand(events: _Events) -> None:
    """The previous daemon reported them."""
    events.world.restart()
    again = _Events(events.world)
    events.world.tick()
    assert again.take() == []


def test_who_exited_while_no_daemon_ran_is_reported_after_its_start(events: _Events) -> None:
    """At the time of the start: when it was is not known."""
    events.world.restart(lambda: events.world.exit(10))
    again = _Events(events.world)
    events.world.tick()
    taken = again.changes.take(events.world.ledger.evaluator.flagged, events.world.clock.now, _described, lambda at: at)
    assert [(one.kind, one.why, one.at) for one in taken] == [(Kind.CLEARED, Why.EXITED, events.world.clock.now)]
