"""A resolv.conf that lists nobody for a while, and who takes a default then."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.field.cast import Cast, Part
from tests.field.stage import EMPTY, LISTS_NEW, Row, Stage, assert_says
from tests.support.tracing import Daemon

LOOPBACK, DEFAULT = "127.0.0.1", "192.168.122.80"
CONFIGURED = rf"if it still queries {DEFAULT}, look for that in its own configuration"
PINNED = Part("pinned", (LOOPBACK,), nameserver=LOOPBACK)
PINNED_READER = Part("reads_and_is_pinned", (LOOPBACK,), nameserver=LOOPBACK)
BEFORE = {"before": PINNED, "reads-before": PINNED_READER}
DURING = {
    "during": PINNED,
    "takes-loopback": Part("frozen", (LOOPBACK,), nameserver=LOOPBACK),
    "takes-a-default": Part("frozen", (DEFAULT,), nameserver=DEFAULT),
}
AFTER = {"after": PINNED, "reads-after": PINNED_READER}


@pytest.fixture(scope="module")
def cast(running: Daemon) -> Iterator[Cast]:
    """Empty the file, and let it list somebody again."""
    with Stage(running, addresses=(DEFAULT,)) as stage:
        cast = Cast(stage)
        cast.start(BEFORE)
        stage.change(EMPTY)
        cast.start(DURING)
        stage.change_past_grace(LISTS_NEW)
        cast.start(AFTER)
        yield cast


@pytest.mark.parametrize("name", ["before", "reads-before", "during", "after", "reads-after"])
def test_a_process_configured_to_query_loopback(cast: Cast, name: str) -> None:
    """It is never flagged because the file was empty for a moment, before its start or during its life."""
    row = cast.querying(name, more=6)
    assert row["state"] == "unlisted"
    assert_says(row, "has not listed since resolvtrace started$", f"look for {LOOPBACK} in its own configuration$")


def test_who_read_the_empty_file(cast: Cast) -> None:
    """Who took loopback from the empty file, and stays with it, is stale, and a restart helps."""
    row = cast.when("takes-loopback", "stale")
    assert_says(row, "read the file while it was empty, and has not re-read it$", r"^restart \S+ \(pid \d+\)$")


def test_a_default_while_the_file_is_empty(cast: Cast) -> None:
    """As long as the file lists nobody a restart changes nothing: the file has to list somebody first."""
    row: Row = cast.before["takes-a-default"]
    assert row["state"] == "unlisted"
    assert_says(
        row, "the file lists nobody", rf"^list a nameserver in /etc/resolv\.conf, then restart .*; {CONFIGURED}$"
    )


def test_a_default_taken_from_the_empty_file(cast: Cast) -> None:
    """Who took another default than loopback from the empty file needs a restart first."""
    row = cast.querying("takes-a-default")
    assert row["state"] == "unlisted"
    assert_says(row, "its last read found an empty file", rf"^restart \S+ \(pid \d+\); {CONFIGURED}$")
