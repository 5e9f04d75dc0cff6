"""What must not become dear again, as ratios within one run: a machine's speed is no part of them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from benchmarks import work
from benchmarks.costs import Meter, meter
from benchmarks.work import Work
from tests.support.tracing import daemon
from tests.support.world import World

pytestmark = pytest.mark.alone

TIMES = 10_000
ROUNDS = 5
PROCESSES = 5000
TICKS = 3


@pytest.fixture(scope="module")
def beside_empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meter]:
    """Give the programs of a daemon beside empty ones on the same hooks, the kernel counting."""
    with daemon(tmp_path_factory.mktemp("costs")) as running, meter(running.process.pid) as at:
        yield at


@pytest.mark.parametrize(
    ("one", "hook", "most"),
    [
        (work.SEND, "egress", 3.6),
        (work.SENDTO, "sendmsg4", 3.6),
        (work.NO_DNS, "egress", 2.0),
        (work.CONNECT, "connect4", 2.0),
        (work.ANSWER, "recvmsg4", 3.6),
        (work.NO_ANSWER, "recvmsg4", 2.0),
    ],
    ids=["send", "sendto", "no DNS", "connect", "answer", "no answer"],
)
def test_a_program_takes_so_many_times_what_an_empty_one_takes(
    beside_empty: Meter, one: Work, hook: str, most: float
) -> None:
    """The best of some rounds: what others do on the machine only adds to one."""
    rounds = [beside_empty.runs(one, TIMES)[hook] for _ in range(ROUNDS)]
    assert min(ours.mean for ours, _ in rounds) / min(empty.mean for _, empty in rounds) < most


def test_no_program_runs_at_calls_that_send_no_query(beside_empty: Meter) -> None:
    """Making a socket and receiving lead to no hook of ours."""
    assert beside_empty.runs(work.SOCKET, TIMES) == {}
    assert beside_empty.runs(work.RECEIVE, TIMES) == {}


def _seconds_of_tick(world: World) -> float:
    """Give the processor time that a tick takes."""
    begun = time.process_time()
    world.tick()
    return time.process_time() - begun


def test_a_tick_costs_what_was_queried_in_it() -> None:
    """Five thousand silent processes take less than a tenth of what they take when they all query."""
    world = World()
    pids = range(10, 10 + PROCESSES)
    for pid in pids:
        world.start(pid)
        world.read(pid)
    busy, idle = [], []
    for _ in range(TICKS):
        for pid in pids:
            world.query(pid)
        busy.append(_seconds_of_tick(world))
        world.tick()
        idle.append(_seconds_of_tick(world))
    assert len(world.ledger.tracked) == PROCESSES
    assert min(idle) < min(busy) / 10
