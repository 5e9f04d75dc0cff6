"""Clocks that jump: the wall clock is for show alone, and while the machine sleeps no grace runs out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.doubles import NEW, OLD
from tests.support.world import World
from tests.unit.tracer.resolvconf.test_view_table import Machine
from tracer.resolvconf.history import SECOND, after_suspend
from tracer.verdict.states import State
from tracer.verdict.verdict import Suspend

HOUR = 3600.0
GRACE = 15.0


def sleep(world: World, seconds: float) -> None:
    """Suspend the machine, as the engine notices it."""
    began = world.clock.boot()
    world.clock.sleep(seconds)
    slept = int(seconds * SECOND)
    world.host.history = after_suspend(world.host.history, began, slept, GRACE)
    world.ledger.evaluator.note_suspend(Suspend(began, slept))


def reader() -> World:
    """Give a machine on which process 10 read the file and queries the nameserver it lists."""
    world = World()
    world.start(10)
    world.read(10)
    world.query(10, OLD)
    world.tick()
    return world


def test_a_lookup_that_slept_with_the_machine_is_still_in_its_grace() -> None:
    """A healthy resolver that retries after the lid is opened: it had queried before the change."""
    world = reader()
    world.change(NEW)
    world.query(10, OLD)
    world.tick()
    sleep(world, HOUR)
    for _ in range(3):
        world.query(10, OLD)
    world.tick()
    assert world.state(10) is State.GRACE
    world.past_grace()
    for _ in range(3):
        world.query(10, OLD)
    world.tick()
    assert world.state(10) is State.STALE


def test_two_sleeps_add_up() -> None:
    """Each within the grace."""
    world = reader()
    world.change(NEW)
    for _ in range(2):
        sleep(world, HOUR)
        world.query(10, OLD)
        world.query(10, OLD)
        world.tick()
        assert world.state(10) is State.GRACE


def test_a_sleep_after_the_grace_changes_nothing() -> None:
    """Neither for a flag that is up nor for the next query to the old nameserver."""
    world = reader()
    world.make_stale(10)
    flagged = world.process(10).flagged
    sleep(world, HOUR)
    world.query(10, OLD)
    world.tick()
    assert world.state(10) is State.STALE
    assert world.process(10).flagged == flagged


def test_a_sleep_clears_no_flag() -> None:
    """Of one that queries both: minutes on the new nameserver alone clear it, and an hour asleep is none of them."""
    world = reader()
    world.make_stale(10)
    sleep(world, HOUR)
    world.query(10, NEW)
    world.tick()
    assert world.state(10) is State.STALE
    world.clock.advance(world.ledger.evaluator.policy.thresholds.clear_seconds)
    world.query(10, NEW)
    world.tick()
    assert world.state(10) is not State.STALE


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_wall_clock_that_is_set_changes_no_state(jump: float) -> None:
    """At any moment: before the change, in the grace, and with the flag up."""
    world = reader()
    world.clock.set_wall(jump)
    world.change(NEW)
    world.query(10, OLD)
    world.clock.set_wall(-2 * jump)
    world.tick()
    assert world.state(10) is State.GRACE
    world.past_grace()
    world.clock.set_wall(3 * jump)
    world.query(10, OLD)
    world.query(10, OLD)
    world.tick()
    assert world.state(10) is State.STALE
    world.clock.set_wall(-jump)
    world.tick()
    assert world.state(10) is State.STALE


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_wall_clock_that_is_set_makes_no_generation_and_hides_none(tmp_path: Path, jump: float) -> None:
    """The file's times are the wall clock's; a change lies between our refreshes, whatever they say."""
    machine = Machine(tmp_path)
    machine.refresh()
    assert machine.refresh(age=jump) == []
    before = machine.clock.boot()
    machine.replace(NEW)
    assert machine.refresh(age=jump) == [machine.host.id]
    generation = machine.host.history.current
    assert generation.conf.nameservers == (NEW,)
    assert before - SECOND <= generation.began <= generation.noticed <= machine.clock.boot()
