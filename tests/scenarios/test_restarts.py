"""A restart of the daemon neither loses a flag or a count, nor raises one."""

from __future__ import annotations

import signal

import pytest

from tests.scenarios.world import World

ENDS = (signal.SIGTERM, signal.SIGKILL)


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.name)
def test_a_worker_forked_right_after_the_read(world: World, end: signal.Signals) -> None:
    """Within the 10 ms in which /proc tells times: its owner is still its owner after a restart."""
    owner = world.start("owner").read()
    worker = owner.fork("worker")
    world.start("other").read().query("A")
    world.settle().change("B").past_the_grace()
    worker.query("A", 3)
    world.expect(owner, state="stale", owner=owner, queries={"A": (0, 3)})
    world.settle().restart(end)
    world.expect(owner, state="stale", owner=owner, queries={"A": (0, 3)}, last_read=1)
    world.expect(worker, state="stale", owner=owner, queries={"A": (3, 0)}, last_read=1)
    world.expect_flags(1)


def test_an_owner_has_its_workers_after_a_restart(world: World) -> None:
    """What a worker queries from then on is the owner's, and flags it."""
    owner = world.start("owner").read()
    worker = owner.fork("worker").query("A")
    world.expect(owner, state="current", queries={"A": (0, 1)})
    world.restart()
    world.expect(owner, state="current", queries={"A": (0, 1)})
    world.change("B").past_the_grace()
    worker.query("A", 3)
    world.expect(owner, state="stale", owner=owner, queries={"A": (0, 4)})
    world.expect(worker, owner=owner)
    world.expect_flags(1)


def test_a_double_forked_worker_after_a_restart(world: World) -> None:
    """Its parent, by whom it descends from its owner, is gone."""
    owner = world.start("owner").read()
    worker = owner.fork_twice("worker").query("A")
    world.settle().change("B").past_the_grace()
    worker.query("A", 3)
    world.expect(owner, state="stale", queries={"A": (0, 4)})
    world.restart()
    world.expect(worker, state="stale", owner=owner)
    world.expect_flags(1)
    worker.query("A")
    world.expect(owner, state="stale", owner=owner, queries={"A": (0, 5)})
    world.expect(worker, state="stale", owner=owner, queries={"A": (5, 0)})
    world.expect_flags(1)


def test_a_worker_of_a_parent_that_has_read_after_a_restart(world: World) -> None:
    """The parent reads for itself; its child still has what the grandparent read."""
    owner = world.start("owner").read().query("A")
    parent = owner.fork("parent").query("A")
    worker = parent.fork("worker").query("A")
    parent.read().query("A")
    world.expect(worker, owner=owner)
    world.restart()
    world.expect(worker, owner=owner)
    world.change("B").past_the_grace()
    worker.query("A", 3)
    world.expect(worker, state="stale", owner=owner)
    world.expect(owner, state="stale", owner=owner, queries={"A": (1, 5)})
    world.expect(parent, state="quiet", owner=parent)


@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.name)
def test_an_owner_exits_while_the_daemon_is_down(world: World, end: signal.Signals, *, tracked: bool) -> None:
    """Its child is the heir of the flag, as it is while the daemon runs."""
    owner = world.start("owner").read().query("A")
    child = owner.fork("child")
    world.settle()
    if tracked:
        child.query("A")
    world.settle().change("B").past_the_grace()
    owner.query("A", 3)
    world.expect(owner, state="stale", owner=owner)
    world.settle().stop(end)
    owner.exit()
    world.start_daemon()
    world.expect(child, state="stale", owner=child, queries={"A": (4 + tracked, 0)}, last_read=1)


def test_an_owner_exits_while_the_daemon_runs(world: World) -> None:
    """The same without a restart, to compare with."""
    owner = world.start("owner").read().query("A")
    child = owner.fork("child")
    world.settle().change("B").past_the_grace()
    owner.query("A", 3)
    world.expect(owner, state="stale", owner=owner)
    owner.exit()
    world.expect(child, state="stale", owner=child, queries={"A": (4, 0)}, last_read=1)


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.name)
def test_a_parent_reads_while_the_daemon_is_down(world: World, end: signal.Signals) -> None:
    """It queries the new nameserver alone: its frozen child is flagged, and it is not."""
    world.start("other").read().query("A")
    parent = world.start("parent").read().query("A")
    world.settle()
    child = parent.fork("child")
    world.settle().change("B").past_the_grace()
    world.settle().stop(end)
    parent.read().query("B")
    world.start_daemon()
    child.query("A", 3)
    parent.query("B")
    world.expect(parent, state="current", owner=parent)
    world.expect(child, state="stale", owner=child)
    world.expect_flags(1)


def test_sigterm_in_the_middle_of_a_tick(world: World) -> None:
    """What was queried since the last tick is counted, and flags."""
    process = world.start("process").read().query("A", 2)
    world.settle().change("B").past_the_grace().tick()
    process.query("A", 2)
    world.restart()
    world.expect(process, state="stale", queries={"A": (4, 0)})


def test_sigterm_keeps_every_count(world: World) -> None:
    """Where nothing changes."""
    process = world.start("process").read().query("A", 2)
    world.settle().tick()
    process.query("A", 5).query("A", 2, "tcp")
    world.restart()
    world.expect(process, state="current", queries={"A": (9, 0)})


def test_sigkill_loses_a_tick_at_the_most_and_says_so(world: World) -> None:
    """What was in a snapshot is kept; what was not may be lost, and is counted as lost then."""
    process = world.start("process").read().query("A", 2)
    world.expect(process, queries={"A": (2, 0)})
    world.tick()
    process.query("A", 5)
    world.restart(signal.SIGKILL)
    world.settle()
    row = world.row(process)
    assert row is not None
    counted = sum(use["queries"] for use in row["nameservers"])
    lost = sum(world.daemon.lost().values())
    assert counted in (2, 7), f"{row}\n{world.transcript()}"
    assert counted == 7 or lost > 0, f"{world.daemon.lost()}\n{world.transcript()}"


def test_a_second_restart_changes_nothing(world: World) -> None:
    """Flags, counts, owners and views are the same after each."""
    owner = world.start("owner").read().query("A")
    worker = owner.fork("worker").query("A", 2)
    reader = owner.fork("reader").read().query("A", 3)
    world.settle().change("B").past_the_grace()
    worker.query("A", 2)
    reader.read().query("B")
    owner_row = world.expect(owner, state="stale", queries={"A": (1, 4)})
    rows = [owner_row, world.expect(worker, state="stale"), world.expect(reader, state="current")]
    for end in ENDS:
        world.settle().restart(end)
        for before, process in zip(rows, (owner, worker, reader), strict=True):
            after = world.expect(process)
            for key in ("view", "owner", "state", "workers", "lookup_path"):
                assert after[key] == before[key], f"{key} of {process.name}\n{world.transcript()}"
            counts = [
                [(use["address"], use["state"], use["queries"], use["worker_queries"]) for use in row["nameservers"]]
                for row in (before, after)
            ]
            assert counts[0] == counts[1], f"{process.name}\n{world.transcript()}"
