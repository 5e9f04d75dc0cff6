"""Who owns what was queried: workers that read, double forks, heirs, other files of that name."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from tests.scenarios.world import Process, World

READER = ("worker", "owner")


@pytest.fixture(params=["as it comes", "at once"])
def one_tick(request: pytest.FixtureRequest) -> bool:
    """Say whether the daemon sees a job as it goes on, or all of it at once."""
    return bool(request.param == "at once")


def job(world: World, master: Process, *, one_tick: bool) -> None:
    """Do a job in a worker: it queries A three times, then reads the file and queries what that lists."""
    with world.within_a_tick() if one_tick else nullcontext():
        worker = master.fork("worker").query("A", 3)
        worker.read().query("B")
        worker.exit()


def test_a_worker_queries_then_reads(world: World, one_tick: bool) -> None:
    """What it queried before it read counts for the frozen master, which never queries anything itself."""
    master = world.start("master").read()
    other = world.start("other").read().query("A")
    world.expect(other, state="current")
    world.change("B").past_the_grace()
    for _ in range(4):
        job(world, master, one_tick=one_tick)
        world.settle()
    world.expect(master, state="stale", owner=master, queries={"A": (0, 12), "B": (0, 0)})


def test_a_worker_queries_then_reads_before_any_change(world: World, one_tick: bool) -> None:
    """The counts are the master's all the same."""
    master = world.start("master").read()
    world.tick()
    job(world, master, one_tick=one_tick)
    world.expect(master, owner=master, queries={"A": (0, 3)}, last_read=1)


def test_a_worker_reads_twice(world: World, one_tick: bool) -> None:
    """It owns what it queries after the first read; its master has what it queried before."""
    master = world.start("master").read()
    worker = master.fork("worker")
    with world.within_a_tick() if one_tick else nullcontext():
        worker.query("A", 3).read().read().query("A")
    world.expect(worker, owner=worker, queries={"A": (4, 0)})
    world.expect(master, owner=master, queries={"A": (0, 3)})


def test_the_owner_reads_after_its_worker_queried(world: World, one_tick: bool) -> None:
    """A read takes nothing away of what was counted."""
    master = world.start("master").read().query("A")
    world.settle()
    with world.within_a_tick() if one_tick else nullcontext():
        worker = master.fork("worker").query("A", 3)
        worker.exit()
        master.read()
    world.expect(master, state="current", queries={"A": (1, 3)})


def test_a_double_fork_under_an_heir(world: World) -> None:
    """The heir of a reader that exited owns what its grandchild queries."""
    reader = world.start("reader").read()
    heir = reader.fork("heir")
    reader.exit()
    heir.query("A")
    child = heir.fork("child")
    grandchild = child.fork("grandchild")
    child.exit()
    grandchild.query("A", 2)
    world.expect(grandchild, state="current", owner=heir)
    world.expect(heir, state="current", owner=heir, queries={"A": (1, 2)})
    world.change("B").past_the_grace()
    grandchild.query("A", 3)
    world.expect(heir, state="stale", owner=heir, queries={"A": (1, 5)})
    world.expect(grandchild, owner=heir)
    world.expect_flags(1)


def test_a_fork_twice_under_an_heir(world: World) -> None:
    """The same, if parent and grandchild are created in one breath, after the change."""
    reader = world.start("reader").read()
    heir = reader.fork("heir")
    reader.exit()
    heir.query("A")
    world.settle()
    world.change("B").past_the_grace()
    grandchild = heir.fork_twice("grandchild").query("A", 3)
    world.expect(heir, state="stale", owner=heir, queries={"A": (1, 3)})
    world.expect(grandchild, state="stale", owner=heir)


def test_an_owner_exits_in_the_tick_of_its_workers_query(world: World, one_tick: bool) -> None:
    """The heir has the evidence."""
    owner = world.start("owner").read().query("A")
    worker = owner.fork("worker")
    world.settle()
    world.change("B").past_the_grace().tick()
    with world.within_a_tick() if one_tick else nullcontext():
        worker.query("A", 3)
        owner.exit()
    row = world.expect(worker, state="stale", owner=worker, queries={"A": (4, 0)})
    assert row["nameservers"][0]["queries_since_removed"] == 3


@pytest.mark.parametrize("who", READER)
def test_another_file_of_that_name_is_opened(world: World, who: str) -> None:
    """It is not their resolv.conf: the worker stays its owner's."""
    owner = world.start("owner").read()
    worker = owner.fork("worker").query("A")
    world.expect(worker, owner=owner)
    elsewhere = world.root / "mnt/resolv.conf"
    elsewhere.write_text("nameserver 127.53.0.9\n")
    (worker if who == "worker" else owner).read(path="/mnt/resolv.conf")
    world.settle()
    world.change("B").past_the_grace()
    worker.query("A", 3)
    world.expect(worker, state="stale", owner=owner)
    world.expect(owner, state="stale", owner=owner, queries={"A": (0, 4)}, last_read=1)
    world.expect_flags(1)


def test_a_helper_is_judged_by_what_it_last_had(world: World) -> None:
    """A worker goes on with the file that its parent read before it moved to a jail and read again there."""
    jail = world.jail("jail", "AC")
    world.start("other").read().query("A")
    parent = world.start("parent").read()
    worker = parent.fork("worker")
    parent.chroot(jail).read()
    world.settle()
    world.change("B").past_the_grace()
    worker.query("A", 3)
    world.expect(worker, state="stale", owner=worker)
