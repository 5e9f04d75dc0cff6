"""Who comes, queries and exits within a tick: counted, and not kept, and nobody can tell."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.campaign.generator import generate
from tests.campaign.simulation import Simulation
from tests.support.doubles import NEW, OLD, OTHER, a_view, conf
from tests.support.world import NETNS, World
from tracer.kernel.records import CHROOTED, Queries, QueryKey
from tracer.ledger.brief import BriefProcesses
from tracer.ledger.ledger import Ledger
from tracer.ledger.pair import PairKey
from tracer.lookups import Transport
from tracer.observation.values import Batch, Observation
from tracer.resolvconf.history import SECOND, first_generation
from tracer.verdict.states import State


def querying() -> World:
    """Return a world with a process, pid 10, that has read the file and queried, in a tick that goes on."""
    world = World(OLD)
    world.start(10)
    world.read(10)
    world.query(10)
    return world


def exit_before(late: Mapping[QueryKey, Queries], world: World, *, change: bool = False) -> None:
    """Let it exit, and the programs count this after the tick in which it did, and after a change."""
    world.exit(10)
    world.tick()
    if change:
        world.change(NEW)
    world.counted.update(late)
    world.tick()


def test_it_leaves_counts_and_a_past_use() -> None:
    """And no process, not even until the next tick."""
    world = querying()
    world.query(10)
    world.exit(10)
    world.tick()
    assert not list(world.ledger.processes)
    assert world.ledger.queries_total == {(State.CURRENT, Transport.UDP): 2}
    ((key, use),) = world.ledger.past_uses.uses.items()
    assert (key.exe, key.view, key.nameserver, use.queries) == ("/usr/bin/getip", "host", OLD, 2)
    assert world.ledger.take_unreported() == world.ledger.take_unsaved() == set()


@pytest.mark.parametrize("change", [False, True])
def test_what_is_counted_a_tick_late_is_its_too(change: bool) -> None:
    """A program may still be counting when the tick ends; what was removed since was sent before."""
    world = querying()
    exit_before(dict(world.counted), world, change=change)
    assert not list(world.ledger.processes)
    assert world.ledger.queries_total == {(State.CURRENT, Transport.UDP): 2}
    assert [use.queries for use in world.ledger.past_uses.uses.values()] == [2]


def test_a_late_answer_is_one_to_what_was_queried() -> None:
    """From anybody else it is none."""
    world = querying()
    counted, world.counted = world.counted, {}
    for address in (OLD, OTHER):
        world.answer(10, address)
    late, world.counted = world.counted, counted
    exit_before(late, world)
    assert world.ledger.queries_total == {(State.CURRENT, Transport.UDP): 1}
    assert [bool(world.ledger.last_answers.of(PairKey(one, NETNS))) for one in (OLD, OTHER)] == [True, False]


@pytest.mark.parametrize(("queried", "state"), [(OLD, State.GRACE), (NEW, State.CURRENT), (OTHER, State.UNLISTED)])
def test_what_it_queries_counts_by_its_state(queried: str, state: State) -> None:
    """It read the file before a change, and exits within the tick all the same."""
    world = World(OLD)
    world.start(10)
    world.read(10)
    world.change(NEW)
    world.clock.advance(2)
    world.query(10, queried)
    world.exit(10)
    world.tick()
    assert world.ledger.queries_total == {(state, Transport.UDP): 1}


def test_a_copy_that_lists_what_the_host_has_dropped_is_outdated() -> None:
    """A command in a container that was started before the change."""
    world = World(OLD)
    world.machine.by_root[7] = a_view(first_generation(conf(OLD), 1, 0), "container")
    world.change(NEW)
    world.start(10, root=7)
    world.read(10)
    world.query(10)
    world.exit(10)
    world.tick()
    assert world.ledger.queries_total == {(State.OUTDATED, Transport.UDP): 1}


def test_what_it_queried_in_an_earlier_tick_is_part_of_its_past_use() -> None:
    """It reads once more, from another root directory, queries and exits."""
    world = querying()
    world.tick()
    world.machine.by_root[5 | CHROOTED] = world.host
    world.move(10, 5 | CHROOTED)
    world.read(10)
    world.query(10)
    world.exit(10)
    world.tick()
    assert [use.queries for use in world.ledger.past_uses.uses.values()] == [2]


@pytest.mark.parametrize("apart", [False, True], ids=["in a tick", "in ticks of their own"])
def test_a_file_of_the_same_name_that_it_opened_leaves_its_state_to_a_child(apart: bool) -> None:
    """The child did nothing so far; its parent goes by another number since it opened that file, and has exited."""
    world = querying()
    world.no_sweep()

    def between() -> None:
        if apart:
            world.tick()

    between()
    world.fork(10, 11)
    world.machine.by_root[5 | CHROOTED] = None
    world.move(11, 5 | CHROOTED)
    world.read(10, path="./resolv.conf", inode=99)
    between()
    world.exit(10)
    for _ in range(3):
        world.tick()
    world.change(NEW)
    world.past_grace()
    world.query(11, OLD, 3)
    world.tick()
    assert world.state(11) is State.STALE


def test_a_worker_counts_for_its_owner() -> None:
    """A job of a master that has read the file reads it itself: what it had before was the master's."""
    world = querying()
    world.tick()
    world.fork(10, 11)
    world.read(11)
    world.query(11)
    world.exit(11)
    world.tick()
    assert world.process(10).workers_seen == 1


def everybody(_: BriefProcesses, batch: Batch) -> list[Observation]:
    """Take nobody for brief."""
    return batch.observations


@given(st.integers(0, 2**32))
def test_whoever_is_not_kept_would_have_changed_nothing(seed: int) -> None:
    """Random histories, with such processes among them, entered both ways."""
    steps = generate(seed)
    ledgers: list[Ledger] = []
    for enter in (BriefProcesses.enter, everybody):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(BriefProcesses, "enter", enter)
            simulation = Simulation(steps, seed, ticks=0.02)
            simulation.play()
            kernel = simulation.world.kernel
            kernel.clock.advance(SECOND)
            kernel.tick()
            kernel.tick()
            ledgers.append(kernel.ledger)
    one, other = ledgers
    assert one.queries_total == other.queries_total
    assert dict(one.past_uses.uses) == dict(other.past_uses.uses)
    assert _rows(one) == _rows(other)


def _rows(ledger: Ledger) -> dict[object, object]:
    return {
        process.id: (
            process.owner.id,
            process.worst,
            process.workers_seen,
            {key: (pair.state, pair.own_queries, pair.answering) for key, pair in process.pairs.items()},
        )
        for process in ledger.processes
    }
