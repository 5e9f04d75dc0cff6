"""Why a process stays on the old nameserver: each cause by what was seen."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.doubles import NEW, OLD
from tests.support.words import BEGAN
from tests.support.world import World
from tracer.report.causes import Cause, Finding, find_cause


def _stale(before: Callable[[World], object], after: Callable[[World], object] = lambda _: None) -> Finding:
    """Tell the cause of a process that does something before the change, and something after it."""
    world = World()
    world.start(10)
    before(world)
    world.query(10)
    world.tick()
    world.change(NEW)
    after(world)
    world.past_grace()
    world.query(10, OLD, 2)
    world.tick()
    return find_cause(world.process(10), OLD, BEGAN)


def _polls(world: World) -> None:
    for _ in range(3):
        world.clock.advance(30)
        world.read(10)


def _stats(world: World) -> None:
    world.query(10)
    world.tick()
    world.check(10)


@pytest.mark.parametrize(
    ("before", "after", "finding"),
    [
        (lambda world: world.read(10), lambda _: None, Finding(Cause.READ_ONCE, 1)),
        (lambda world: world.read(10), lambda world: world.read(10), Finding(Cause.PINNED, 2)),
        (lambda world: world.read(10), _stats, Finding(Cause.CHECKED_ONLY, 2)),
        (_stats, lambda _: None, Finding(Cause.CHECKED_ONCE, 1)),
        (_polls, lambda _: None, Finding(Cause.POLLS, 1, 30)),
        (lambda world: world.execute(10), lambda _: None, Finding(Cause.NEVER_READ)),
        (lambda _: None, lambda _: None, Finding(Cause.NOT_SEEN)),
    ],
)
def test_each_cause_by_what_was_seen(
    before: Callable[[World], object], after: Callable[[World], object], finding: Finding
) -> None:
    """Nothing is guessed."""
    assert _stale(before, after) == finding


def test_one_that_re_read_the_file_is_blamed_for_no_query_of_before() -> None:
    """Until it queries the old nameserver again, nobody knows whether it still would."""
    world = World()
    world.start(10)
    world.read(10)
    world.query(10)
    world.tick()
    world.change(NEW)
    world.past_grace()
    world.query(10, OLD, 2)
    world.read(10)
    world.tick()
    assert find_cause(world.process(10), OLD, BEGAN) == Finding(Cause.RE_READ, 2)
    world.past_grace()
    world.query(10, OLD, 2)
    world.tick()
    assert find_cause(world.process(10), OLD, BEGAN) == Finding(Cause.PINNED, 2)


def test_a_worker_of_who_was_watched_from_its_exec_never_read_either() -> None:
    """The state is its owner's."""
    world = World()
    world.start(10)
    world.execute(10)
    world.fork(10, 11)
    world.stay_behind(11)
    assert find_cause(world.process(11), OLD, BEGAN) == Finding(Cause.NEVER_READ)
    assert find_cause(world.process(11), OLD, world.clock.now) == Finding(Cause.NOT_SEEN)
