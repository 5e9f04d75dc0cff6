"""Answers in the ledger: in the tick of their queries or after it, of workers and heirs, of steady pairs."""

from __future__ import annotations

import pytest

from tests.support.doubles import NEW, OLD
from tests.support.world import World
from tracer.ledger.pair import PairKey
from tracer.lookups import Transport
from tracer.verdict.answers import Answers
from tracer.verdict.states import State


@pytest.fixture(params=[False, True], ids=["each tick", "steady"])
def world(request: pytest.FixtureRequest) -> World:
    """Give a world with a process that read the file, whose queries are counted with the help of a tick or without."""
    made = World()
    made.steady.room = request.param
    made.start(10)
    made.read(10)
    return made


def answers(world: World, pid: int = 10, address: str = OLD) -> Answers:
    """Tell whether a nameserver answers a process."""
    world.count_steady()
    process = world.process(pid)
    (key,) = (key for key in process.pairs if key.address == address)
    return process.answers(key, world.ledger.last_answers.of(key))


def lookups(world: World, number: int, *, answered: bool, pid: int = 10) -> None:
    """Send a query every four seconds, each answered in the next tick or not at all."""
    for _ in range(number):
        world.query(pid)
        world.tick(2.0)
        if answered:
            world.answer(pid)
        world.tick(2.0)


def test_answers_are_seen(world: World) -> None:
    """One that comes a tick later belongs to its query."""
    lookups(world, 20, answered=True)
    assert answers(world) is Answers.YES
    assert world.process(10).worst is State.CURRENT


def test_answers_that_stop_are_noticed(world: World) -> None:
    """And that they come again."""
    lookups(world, 20, answered=True)
    lookups(world, 5, answered=False)
    assert answers(world) is Answers.NO
    lookups(world, 1, answered=True)
    assert answers(world) is Answers.YES


def test_of_who_is_never_seen_to_receive_it_is_not_known(world: World) -> None:
    """recv(2) and read(2) are not seen."""
    lookups(world, 30, answered=False)
    assert answers(world) is Answers.UNKNOWN


def test_an_answer_alone_is_no_query(world: World) -> None:
    """Neither for a process that did query, nor for one that never did: no pair, no count."""
    lookups(world, 1, answered=True)
    counted = world.process(10).pairs[_key(world)].uses[53, Transport.UDP].queries
    world.answer(10)
    world.answer(10, NEW)
    world.start(11)
    world.answer(11)
    world.tick()
    assert world.process(10).pairs[_key(world)].uses[53, Transport.UDP].queries == counted == 1
    assert [key.address for key in world.process(10).pairs] == [OLD]
    assert not any(process.pid == 11 for process in world.ledger.tracked)


def test_queries_over_tcp_are_not_waited_for(world: World) -> None:
    """Their answers are not seen."""
    lookups(world, 2, answered=True)
    for _ in range(10):
        world.query(10, transport=Transport.TCP)
        world.tick(4.0)
    assert answers(world) is Answers.YES


def test_a_workers_answers_are_its_owners(world: World) -> None:
    """And its heir's, who goes on when the owner has exited."""
    world.fork(10, 11)
    lookups(world, 3, answered=True, pid=11)
    assert answers(world) is Answers.YES
    lookups(world, 5, answered=False, pid=11)
    assert answers(world) is Answers.NO
    world.exit(10)
    world.tick()
    assert answers(world, 11) is Answers.NO


def test_a_restart_forgets_no_answer(world: World) -> None:
    """It is known afterwards that they stopped."""
    lookups(world, 3, answered=True)
    world.restart()
    lookups(world, 5, answered=False)
    assert answers(world) is Answers.NO


def beside_another(world: World, seconds: int) -> None:
    """Let a second process query every second, too, and have its answers seen."""
    if not any(process.pid == 11 for process in world.ledger.processes):
        world.start(11)
        world.read(11)
    for _ in range(seconds):
        world.query(10)
        world.query(11)
        world.answer(11)
        world.tick(1.0)
    world.count_steady()


def test_a_silent_process_beside_one_that_is_answered(world: World) -> None:
    """It receives in two ways, and one is not seen: that is known of it later, too, and after a restart."""
    lookups(world, 2, answered=True)
    for _ in range(4):
        beside_another(world, 15)
    assert (answers(world), answers(world, 11)) == (Answers.UNKNOWN, Answers.YES)
    world.restart()
    for _ in range(5):
        lookups(world, 1, answered=False)
        lookups(world, 1, answered=False, pid=11)
    assert (answers(world), answers(world, 11)) == (Answers.UNKNOWN, Answers.NO)


def _key(world: World) -> PairKey:
    (key,) = (key for key in world.process(10).pairs if key.address == OLD)
    return key
