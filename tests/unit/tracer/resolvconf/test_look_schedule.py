"""How often the views are looked at if nothing tells of their changes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.doubles import NEW
from tests.unit.tracer.resolvconf.test_view_table import Machine, listing
from tracer.resolvconf.look_schedule import LookSchedule

NOTICED_SECONDS = 1.0
"""Every change is noticed within this time, and one that is written in place is believed 0.2 s after it was seen."""
SETTLE_SECONDS = 0.2


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Give a machine whose /proc tells nothing of mounts, so that its files cannot be waited for."""
    return Machine(tmp_path)


def test_the_first_look_is_due_at_once(machine: Machine) -> None:
    """And then the next is not."""
    schedule = LookSchedule(machine.table, machine.tree.root)
    assert schedule.seconds_left <= 0
    schedule.note_look()
    assert schedule.seconds_left > 0
    schedule.close()


def test_a_change_is_noticed_in_time_without_a_watch(machine: Machine) -> None:
    """Two looks: one that sees it, and one that believes it."""
    schedule = LookSchedule(machine.table, machine.tree.root)
    schedule.note_look()
    first = schedule.seconds_left
    machine.clock.advance(1.0)
    machine.file.write_text(listing(NEW))
    machine.table.look()
    schedule.note_look()
    second = schedule.seconds_left
    assert SETTLE_SECONDS <= second < first
    assert first + second < NOTICED_SECONDS
    schedule.close()


def test_who_waits_sees_the_time_pass(machine: Machine) -> None:
    """Until the look is due."""
    schedule = LookSchedule(machine.table, machine.tree.root)
    schedule.note_look()
    time.sleep(schedule.seconds_left)
    assert schedule.seconds_left <= 0
    schedule.close()
