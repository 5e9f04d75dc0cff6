"""A restart of the daemon: it neither loses a flag nor raises one that an uninterrupted daemon would not have."""

from __future__ import annotations

import pytest

from tests.support.doubles import MILLISECOND, NEW, OLD, OTHER, a_view, conf
from tests.support.world import World
from tracer.resolvconf.history import first_generation
from tracer.verdict.states import State


@pytest.fixture
def world() -> World:
    """Return a world where pid 10 is stale; events are farther apart than /proc tells times."""
    world = World(step=20 * MILLISECOND)
    world.start(10)
    world.make_stale(10)
    return world


def test_a_flag_and_since_when_it_stands_are_kept(world: World) -> None:
    """And whoever queries on after the restart is the same process."""
    flagged = world.process(10).flagged
    world.restart()
    world.tick()
    assert world.process(10).flagged == flagged
    world.query(10, OLD, 3)
    world.tick()
    assert world.queries(10) == (6, 0)


def test_a_worker_is_a_worker_after_it(world: World) -> None:
    """And its queries count for its owner as before."""
    world.fork(10, 11)
    world.query(11)
    world.tick()
    world.restart()
    world.query(11)
    world.tick()
    assert world.owner(11) == 10
    assert world.queries(10) == (3, 2)


def test_who_was_forked_while_no_daemon_ran_works_for_its_parent(world: World) -> None:
    """Its auxiliary vector and its start tell."""
    world.restart(lambda: world.fork(10, 11))
    world.query(11)
    world.tick()
    assert world.owner(11) == 10
    assert world.queries(10) == (3, 1)


def test_whose_parent_is_gone_has_the_state_of_those_with_its_root_after_a_kill(world: World) -> None:
    """Two states of one program, and nobody saw the fork: the later one was read in another root directory."""
    world.fork(10, 11)
    world.move(11, 2)
    world.read(11)
    world.query(11, NEW)
    world.fork(10, 12)
    world.fork(12, 13)
    world.exit(12)
    world.tick()
    world.restart(killed=True)
    world.query(13, OLD)
    world.tick()
    assert world.owner(13) == 10


def test_a_child_of_before_its_parents_read_has_no_state_that_was_read_after_its_parents_birth() -> None:
    """What their ancestor read meanwhile is neither's: they have what that had before."""
    world = World(step=20 * MILLISECOND)
    world.start(10)
    world.query(10)
    world.fork(10, 11)
    world.fork(11, 12)
    world.read(10)
    world.fork(12, 13)
    world.read(12)
    world.tick()
    world.restart(killed=True)
    world.query(13)
    world.tick()
    assert world.owner(13) == 11


def test_an_heir_goes_on_with_the_flag_of_who_exited_while_no_daemon_ran(world: World) -> None:
    """Though it did nothing so far."""
    world.fork(10, 11)
    world.tick()
    world.restart(lambda: world.exit(10))
    world.tick()
    world.tick()
    assert not world.kept(10)
    assert world.state(11) is State.STALE
    assert world.queries(11) == (3, 0)


@pytest.mark.parametrize("what", ["exit", "execute", "another"])
def test_a_flag_goes_with_who_exited_while_no_daemon_ran(world: World, what: str) -> None:
    """Or called exec; a new process with its pid begins with nothing."""

    def meanwhile() -> None:
        if what == "execute":
            world.execute(10)
        else:
            world.exit(10)
        if what == "another":
            world.start(10)

    world.restart(meanwhile)
    for _ in range(2):
        world.tick()
    assert not world.ledger.evaluator.flagged
    assert not world.kept(10)
    assert world.past_queries() == [3]


def test_a_process_that_calls_exec_in_two_restarts_is_another_one_each_time(world: World) -> None:
    """Its start is the same; what it queries after the second goes to no books that are closed."""
    for number in (2, 3):
        world.restart(lambda: world.execute(10))
        world.query(10, OTHER, number)
        world.tick()
        world.tick()
        assert world.queries(10, OTHER) == (number, 0)


def test_a_change_while_no_daemon_ran_flags_who_does_not_follow() -> None:
    """The removal counts from when it was noticed; what was read before the restart is known."""
    world = World(step=20 * MILLISECOND)
    world.start(10)
    world.read(10)
    world.query(10)
    world.tick()
    world.restart(lambda: None)
    world.change(NEW)
    world.past_grace()
    world.query(10, OLD, 2)
    world.tick()
    assert world.state(10) is State.STALE


def test_who_read_the_file_while_no_daemon_ran_shows_it_by_what_it_queries() -> None:
    """A nameserver that was not in what it had read: it has read since, and what its child queries is the child's."""
    world = World(step=20 * MILLISECOND)
    world.start(10)
    world.read(10)
    world.query(10)
    world.fork(10, 11)
    world.change(NEW)
    world.tick()
    world.restart()
    world.past_grace()
    world.query(10, NEW)
    world.query(11, OLD, 2)
    world.tick()
    assert world.state(10) is State.RETIRED
    assert world.state(10, NEW) is State.CURRENT
    assert world.process(11).owner is world.process(11)
    assert world.state(11) is State.STALE


def test_what_a_process_queried_before_it_was_listed_shows_no_read() -> None:
    """It queried it already: that it goes on with it when the file comes to list it is no news."""
    world = World(step=20 * MILLISECOND)
    world.start(10)
    world.read(10)
    world.query(10)
    world.tick()
    world.restart()
    world.query(10, OTHER)
    world.tick()
    world.change(NEW, OTHER)
    world.query(10, OTHER)
    world.tick()
    assert world.process(10).read_generation == 1


def test_an_heir_that_queries_what_its_owners_workers_queried_has_not_read_the_file() -> None:
    """What the state of both queried before the restart is no news to it: its own worker stays its own."""
    world = World(step=20 * MILLISECOND)
    world.start(10)
    world.read(10)
    world.fork(10, 11)
    world.query(11)
    world.fork(11, 12)
    world.change(NEW)
    world.query(12, NEW)
    world.tick()
    world.restart(lambda: world.exit(10))
    world.query(11, NEW, 5)
    world.tick()
    assert world.owner(12) == 11
    assert world.queries(11, NEW) == (5, 1)


def test_a_query_to_a_listed_nameserver_takes_no_flag_that_stood_before_a_restart(world: World) -> None:
    """It may be another path of the same process."""
    world.restart()
    world.query(10, NEW)
    world.tick()
    assert world.state(10) is State.STALE


def test_a_view_of_a_container_is_recalled_for_its_processes() -> None:
    """Each is judged by what it read."""
    world = World(step=20 * MILLISECOND)
    inside = a_view(first_generation(conf(OLD), world.clock.now, 1), "7:1:2")
    world.machine.by_root[2] = inside
    world.start(10, root=2)
    world.read(10)
    world.query(10)
    world.tick()
    world.restart()
    assert world.process(10).view is inside
    world.change(NEW, view=inside)
    world.past_grace()
    world.query(10, OLD, 2)
    world.tick()
    assert world.state(10) is State.STALE
