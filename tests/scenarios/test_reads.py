"""What is a read of resolv.conf, which was the last one, and what it clears."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from tests.scenarios.world import READS, World


@pytest.mark.parametrize("how", READS)
def test_a_read_of_any_kind_clears(world: World, how: str) -> None:
    """However the path is given: the flag goes down when the new nameserver is queried after it."""
    process = world.start("process").read().query("A")
    world.expect(process, state="current")
    world.change("B", "in-place").past_the_grace()
    process.query("A", 2)
    world.expect(process, state="stale", last_read=1)
    process.read(how).query("B")
    world.expect(process, state="current", last_read=2)
    world.expect_flags(0)


def test_a_read_by_another_name_clears(world: World) -> None:
    """A symbolic link of another name leads to the file."""
    (world.root / "mnt/servers").symlink_to("/etc/resolv.conf")
    process = world.start("process").read().query("A")
    world.expect(process, state="current")
    world.change("B", "in-place").past_the_grace()
    process.query("A", 2)
    world.expect(process, state="stale")
    process.read(path="/mnt/servers").query("B")
    world.expect(process, state="current", last_read=2)


def test_the_last_read_of_a_double_forked_child(world: World) -> None:
    """It is what its grandparent had last read when it was forked, whatever that has read since."""
    reader = world.start("reader").read().query("A")
    child = reader.fork_twice("child")
    world.settle().change("B")
    reader.read().query("B")
    world.past_the_grace()
    child.query("A", 2)
    world.expect(child, state="stale", owner=child, last_read=1)
    world.expect(reader, state="current", last_read=2)


def test_the_last_read_after_many_reads_of_the_parent(world: World) -> None:
    """Seventeen of them since the fork."""
    parent = world.start("parent").read().query("A")
    child = parent.fork("child")
    for _ in range(17):
        parent.read()
    parent.query("A")
    child.query("A", 2)
    world.expect(child, state="current", owner=child, last_read=1, queries={"A": (2, 0)})


def test_the_last_read_of_a_child_after_a_restart(world: World) -> None:
    """Its parent read again before the child queried for the first time."""
    parent = world.start("parent").read().query("A")
    child = parent.fork("child")
    world.settle().restart()
    parent.read().query("A")
    world.settle()
    child.query("A")
    world.expect(child, state="current", owner=child, last_read=1)


@pytest.mark.parametrize("at_once", [False, True])
def test_cleared_and_queried_again_within_a_tick(world: World, *, at_once: bool) -> None:
    """One late query, a read, the new nameserver, and one straggler: no flag, then or later."""
    process = world.start("process").read().query("A")
    world.settle()
    world.change("B").past_the_grace().tick()
    with world.within_a_tick() if at_once else nullcontext():
        process.query("A").read().query("B").query("A")
    world.expect(process, state=("current", "grace"), queries={"A": (3, 0), "B": (1, 0)})
    world.expect_flags(0)
    world.own_grace()
    world.expect(process, state="current", last_read=2)
