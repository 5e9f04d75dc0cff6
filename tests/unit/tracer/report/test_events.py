"""Flags raised and cleared: each reported once, with why it was cleared."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.doubles import NEW, OLD
from tests.support.samples import NEW as LISTED
from tests.support.samples import process, snapshot, use
from tests.support.world import World
from tracer.ledger.process import Process
from tracer.report.events import AnswerChanges, FlagChanges, Kind, Why
from tracer.report.snapshot import ProcessSnapshot
from tracer.verdict.answers import Answers
from tracer.verdict.rules import Action, Policy, Rule
from tracer.verdict.states import State


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


def _answer_events(world: World, changes: AnswerChanges) -> list[tuple[Kind, int, str | None]]:
    flagged = world.ledger.evaluator.flagged
    taken = changes.of_flags(flagged, world.clock.now, _described, lambda boot: boot)
    return [(one.kind, one.process.pid if one.process else 0, one.nameserver) for one in taken]


def _lookups(world: World, number: int, *, answered: bool) -> None:
    for _ in range(number):
        world.query(10)
        if answered:
            world.answer(10)
        world.tick(4.0)


def test_answers_that_stop_and_come_back_are_reported_once() -> None:
    """Of a flagged process: then its lookups fail, and it is no nuisance but an outage."""
    world = World()
    world.start(10)
    world.make_stale(10)
    changes = AnswerChanges(world.ledger)
    _lookups(world, 2, answered=True)
    assert _answer_events(world, changes) == []
    _lookups(world, 5, answered=False)
    assert _answer_events(world, changes) == [(Kind.UNANSWERED, 10, OLD)]
    _lookups(world, 1, answered=False)
    assert _answer_events(world, changes) == []
    assert _answer_events(world, AnswerChanges(world.ledger)) == []  # after a restart
    _lookups(world, 1, answered=True)
    assert _answer_events(world, changes) == [(Kind.ANSWERED, 10, OLD)]


def test_a_nameserver_of_the_host_that_stops_is_reported_once() -> None:
    """However many query it; and when it answers anybody again."""
    changes = AnswerChanges(World().ledger)
    silent = process(1, nameservers=(use(State.CURRENT, LISTED, answers=Answers.NO),))
    other = process(2, nameservers=(use(State.CURRENT, LISTED, answers=Answers.NO),))
    back = process(2, nameservers=(use(State.CURRENT, LISTED, answers=Answers.YES),))

    def kinds(*processes: ProcessSnapshot) -> list[tuple[Kind, str | None]]:
        return [(one.kind, one.nameserver) for one in changes.of_host(snapshot(*processes))]

    assert kinds(back) == []
    assert kinds(silent, other) == [(Kind.UNANSWERED, LISTED)]
    assert kinds(silent, other) == []
    assert kinds(silent, back) == [(Kind.ANSWERED, LISTED)]


def test_only_what_may_be_silent_is_worth_a_snapshot() -> None:
    """It may be of thousands of processes, and is made for this alone."""
    world = World()
    world.start(10)
    world.read(10)
    changes = AnswerChanges(world.ledger)

    def may(address: str = OLD) -> bool:
        return changes.may_concern_host(world.ledger.tracked, [address])

    _lookups(world, 2, answered=True)
    assert not may()
    _lookups(world, 5, answered=False)
    assert may()
    assert not may(NEW)
    silent = process(10, nameservers=(use(State.CURRENT, LISTED, answers=Answers.NO),))
    assert list(changes.of_host(snapshot(silent)))
    _lookups(world, 1, answered=True)
    assert may()  # it was silent, and answers again
