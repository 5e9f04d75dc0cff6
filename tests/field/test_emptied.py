"""A resolv.conf that lists nobody for a while, and who takes a default then."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.field.program_set import ProgramSet, ProgramSpec
from tests.field.stage import EMPTY, LISTS_NEW, Row, Stage, assert_says
from tests.support.tracing import Daemon

LOOPBACK, DEFAULT = "127.0.0.1", "192.168.122.80"
CONFIGURED = rf"if it still queries {DEFAULT}, look for that in its own configuration"
PINNED = ProgramSpec("pinned", (LOOPBACK,), nameserver=LOOPBACK)
PINNED_READER = ProgramSpec("reads_and_is_pinned", (LOOPBACK,), nameserver=LOOPBACK)
BEFORE = {"before": PINNED, "reads-before": PINNED_READER}
DURING = {
    "during": PINNED,
    "takes-loopback": ProgramSpec("frozen", (LOOPBACK,), nameserver=LOOPBACK),
    "takes-a-default": ProgramSpec("frozen", (DEFAULT,), nameserver=DEFAULT),
}
AFTER = {"after": PINNED, "reads-after": PINNED_READER}


@pytest.fixture(scope="module")
def programs(running: Daemon) -> Iterator[ProgramSet]:
    """Empty the file, and let it list somebody again."""
    with Stage(running, addresses=(DEFAULT,)) as stage:
        programs = ProgramSet(stage)
        programs.start(BEFORE)
        stage.change(EMPTY)
        programs.start(DURING)
        stage.change_past_grace(LISTS_NEW)
        programs.start(AFTER)
        yield programs


@pytest.mark.parametrize("name", ["before", "reads-before", "during", "after", "reads-after"])
def test_a_process_configured_to_query_loopback(programs: ProgramSet, name: str) -> None:
    """It is never flagged because the file was empty for a moment, before its start or during its life."""
    row = programs.querying(name, more=6)
    assert row["state"] == "unlisted"
    assert_says(row, "has not listed since resolvtrace started$", f"look for {LOOPBACK} in its own configuration$")


def test_who_read_the_empty_file(programs: ProgramSet) -> None:
    """Who took loopback from the empty file, and stays with it, is stale, and a restart helps."""
    row = programs.when("takes-loopback", "stale")
    assert_says(row, "read the file while it was empty, and has not re-read it$", r"^restart \S+ \(pid \d+\)$")


def test_a_default_while_the_file_is_empty(programs: ProgramSet) -> None:
    """As long as the file lists nobody a restart changes nothing: the file has to list somebody first."""
    row: Row = programs.before["takes-a-default"]
    assert row["state"] == "unlisted"
    assert_says(
        row, "the file lists nobody", rf"^list a nameserver in /etc/resolv\.conf, then restart .*; {CONFIGURED}$"
    )


def test_a_default_taken_from_the_empty_file(programs: ProgramSet) -> None:
    """Who took another default than loopback from the empty file needs a restart first."""
    row = programs.querying("takes-a-default")
    assert row["state"] == "unlisted"
    assert_says(row, "its last read found an empty file", rf"^restart \S+ \(pid \d+\); {CONFIGURED}$")
