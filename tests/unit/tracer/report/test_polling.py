"""How often a process looks at resolv.conf."""

from __future__ import annotations

import pytest

from tests.support.world import World
from tracer.report.polling import polling_interval


def _interval(pauses: list[float], *, queries: int = 1, then: float = 0) -> int | None:
    """Tell the pace of a process that reads with these pauses, and queries each time, and ``then`` once more."""
    world = World()
    world.start(10)
    world.read(10)
    world.query(10, times=queries)
    world.tick(0)
    for pause in pauses:
        world.clock.advance(pause)
        world.read(10)
        world.query(10, times=queries)
        world.tick(0)
    if then:
        world.clock.advance(then)
        world.query(10)
        world.tick(0)
    return polling_interval(world.process(10))


@pytest.mark.parametrize(
    ("pauses", "seconds"),
    [
        ([], None),
        ([30], None),
        ([30, 30], 30),
        ([30, 31, 29], 30),
        ([5, 5, 5], 5),
        ([30, 100], None),
        ([0.1, 0.1, 0.1], None),
        ([0.1, 0.1, 30, 0.1, 0.1, 30, 0.1], 30),
    ],
)
def test_a_steady_pace_is_given_in_seconds(pauses: list[float], seconds: int | None) -> None:
    """Two gaps alike make one; several reads at once are one look."""
    assert _interval(pauses) == seconds


def test_a_single_gap_is_a_pace_if_it_was_queried_throughout() -> None:
    """Else the looks may be those of its lookups."""
    assert _interval([30], queries=10) == 30
    assert _interval([3], queries=10) is None


def test_one_that_queries_on_when_its_next_look_is_past_due_looks_no_more() -> None:
    """aardvark-dns 1.17: two reads, at its start and as inotify(7) told it of a change, and then none."""
    assert _interval([6], queries=10, then=8) == 6
    assert _interval([6], queries=10, then=10) is None
    assert _interval([30, 30], then=44) == 30
    assert _interval([30, 30], then=46) is None
