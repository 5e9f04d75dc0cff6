"""Which resolv.conf a process is judged by, whatever others mount, leave or take over."""

from __future__ import annotations

import pytest

from tests.scenarios.world import World
from tests.support.tracing import addresses


@pytest.mark.parametrize("first", ["healthy", "moving"])
@pytest.mark.parametrize("how", ["etc", "file"])
@pytest.mark.parametrize("then", ["reads it", "does nothing"])
def test_somebody_mounts_over_a_file_that_others_have(world: World, first: str, how: str, then: str) -> None:
    """In a mount namespace of its own: what the others see has not changed, and nobody of them is flagged."""
    moving = world.start("moving").unshare_mounts()
    healthy = world.start("healthy")
    for process in (moving, healthy) if first == "moving" else (healthy, moving):
        process.read().query("A")
        world.expect(process, state="current")
    view = world.expect(healthy.read().query("A"), state="current")["view"]
    moving.mount_etc("C") if how == "etc" else moving.bind_resolv_conf("C")
    if then == "reads it":
        moving.read().query("C")
    world.settle().own_grace()
    healthy.query("A", 3)
    row = world.expect(healthy, state="current", queries={"A": (5, 0)}, last_read=1)
    assert row["view"] == view
    seen = world.named_view(view)
    assert (seen["generation"], seen["nameservers"]) == (1, ["127.53.0.1"])
    if then == "reads it":
        row = world.expect(moving, queries={"A": (1, 0), "C": (1, 0)})
        assert row["view"] != view
        assert addresses(row)["127.53.0.3"] == "current"
    world.expect_flags(0)


def test_the_main_thread_has_exited_in_a_jail(world: World) -> None:
    """/proc/PID/root leads nowhere then: the process is judged by its jail's file all the same."""
    jail = world.jail("jail", "C")
    process = world.start("process").chroot(jail).leave_main_thread().read().query("C")
    row = world.expect(process, state="current", last_read=1)
    assert row["view"] is not None
    world.change("D", jail=jail).past_the_grace()
    process.query("C", 3)
    assert world.expect(process, state="stale", last_read=1)["view"] == row["view"]


def test_the_numbers_of_a_mount_namespace_are_used_again(world: World) -> None:
    """Who left one that is gone keeps its view beside one with the same numbers; so after a restart."""
    world.start("other").read().query("A")
    crowd = [world.start(f"crowd {number}").unshare_mounts().mount_etc("D") for number in range(8)]
    leaving = world.start("leaving").unshare_mounts().mount_etc("C").read().query("C")
    before = world.expect(leaving, state="current", last_read=1)
    numbers = leaving.numbers_of_etc
    outside = world.start("outside")
    leaving.enter(outside)
    for process in crowd:
        process.exit()
    # As often as it takes until the kernel gives the same numbers to another one.
    for number in range(200):
        coming = world.start(f"coming {number}").unshare_mounts().mount_etc("D")
        if coming.numbers_of_etc == numbers:
            break
    coming.read().query("D")
    leaving.query("C")
    assert world.expect(leaving, state="current", queries={"C": (2, 0)})["view"] == before["view"]
    assert world.expect(coming, state="current", queries={"D": (1, 0)})["view"] != before["view"]
    world.restart()
    leaving.query("C", 3)
    coming.query("D", 3)
    assert world.expect(leaving, state="current", queries={"C": (5, 0)})["view"] == before["view"]
    assert world.expect(coming, state="current", queries={"D": (4, 0)})["view"] != before["view"]
