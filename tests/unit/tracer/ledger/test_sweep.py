"""Exits that no record reported are found in turn."""

from __future__ import annotations

from tests.support.world import World
from tracer.ledger.process import Process
from tracer.ledger.sweep import Sweep


def _processes(number: int) -> list[Process]:
    world = World()
    for pid in range(10, 10 + number):
        world.start(pid)
        world.query(pid)
    world.tick()
    return list(world.ledger.processes)


def test_some_are_looked_at_in_each_tick_and_in_the_end_all() -> None:
    """A tick costs the same however many processes there are."""
    processes = _processes(1000)
    sweep = Sweep()
    turns = [sweep.turn(processes, (), lost=0) for _ in range(50)]
    assert all(len(turn) <= 20 for turn in turns)
    assert {one for turn in turns for one in turn} == set(processes)


def test_a_flagged_one_is_looked_at_every_time() -> None:
    """A flag must not outlive its process."""
    processes = _processes(100)
    sweep = Sweep()
    assert all(processes[77] in sweep.turn(processes, {processes[77]}, lost=0) for _ in range(5))


def test_records_that_were_lost_make_it_look_at_more() -> None:
    """A full ring loses exits by the thousand: who is gone is not kept for minutes."""
    processes = _processes(2000)
    sweep = Sweep()
    found = {one for lost in range(1, 6) for one in sweep.turn(processes, (), lost)}
    assert found == set(processes)
    assert len(sweep.turn(processes, (), lost=5)) <= 20, "and fewer again once none are lost"
    assert len(sweep.turn(processes[:5], (), lost=5)) == 5, "from the first again where there are fewer"


def test_after_losses_everybody_is_looked_at_before_it_is_slow_again() -> None:
    """Who exited in a storm is not kept for an hour after it."""
    processes = _processes(2000)
    sweep = Sweep()
    sweep.turn(processes, (), lost=1)
    turns = [sweep.turn(processes, (), lost=1) for _ in range(60)]
    assert {one for turn in turns[:30] for one in turn} == set(processes)
    assert len(turns[-1]) <= 20
