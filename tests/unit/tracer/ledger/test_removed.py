"""Until when a process that queried what was removed is undecided: what `wait` goes by."""

from __future__ import annotations

from tests.support.doubles import NEW, OLD
from tests.support.world import World
from tracer.resolvconf.history import SECOND


def test_the_grace_of_a_process_that_is_quiet() -> None:
    """It is that of the removal, and none before there is one, or after it is listed again."""
    world = World()
    world.start(10)
    world.read(10)
    world.query(10)
    world.tick()
    assert world.pair(10).removed is None
    noticed = world.change(NEW)
    world.tick()
    assert world.pair(10).removed == (2, noticed + 15 * SECOND)
    world.change(OLD)
    world.tick()
    assert world.pair(10).removed is None


def test_its_first_read_opens_a_grace_of_its_own() -> None:
    """As long as the removal's."""
    world = World()
    world.start(10)
    world.read(10)
    world.query(10)
    world.tick()
    world.change(NEW)
    world.clock.advance(10)
    read = world.read(10)
    world.tick()
    assert world.pair(10).removed == (2, read + 15 * SECOND)
