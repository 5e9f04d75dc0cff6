"""Which views are refreshed when: at once if a change is reported, and often if none can be."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.doubles import NEW, OLD, OTHER
from tests.unit.tracer.resolvconf.test_view_table import Machine, listing, nameservers
from tracer.observe.root_requests import read_directly
from tracer.observe.roots import RootReader
from tracer.observe.watched_paths import WatchedPaths
from tracer.resolvconf.history import SECOND
from tracer.resolvconf.refresh_schedule import RefreshSchedule

NOTICED_SECONDS = 1.0
"""Every change is noticed within this time, and one that is written in place is believed 0.2 s after it was seen."""
SETTLE_SECONDS = 0.2
SOON_SECONDS = 0.1
MOST_REFRESHES = 10
"""A second: a few at once, and then four."""
SILENT = range(30, 36)
LONG_SECONDS = 1.5
"""Longer than until any refresh that a report, or the lack of reports, calls for."""


class Bench:
    """A schedule for a host and a container."""

    def __init__(self, machine: Machine, *, mounts_are_reported: bool) -> None:
        self.machine = machine
        self.container_file = machine.root("container", listing(OLD))
        machine.process(20, "container", namespace="container")
        self.container = machine.see(20)
        self.paths = WatchedPaths()
        self.schedule = RefreshSchedule(
            machine.table, self.paths, machine.clock.boot, mounts_are_reported=mounts_are_reported
        )

    def take(self) -> None:
        """Take what is reported."""
        if select.select([self.schedule.descriptor], [], [], 0)[0]:
            self.schedule.take_reports()

    def pass_time(self, seconds: float) -> None:
        """Let time pass on the machine's clock, and as the schedule says that it waits."""
        self.machine.clock.advance(seconds)
        time.sleep(seconds)

    def refresh_until_idle(self) -> list[str]:
        """Refresh whenever it is due, until nothing is within some seconds; gives which views have changed."""
        changed = []
        self.take()
        while (left := self.schedule.seconds_left) < LONG_SECONDS:
            self.pass_time(max(0.0, left))
            changed += [view.id for view in self.schedule.refresh()]
            self.take()
        return changed

    def refreshes_in_a_second(self, meanwhile: Callable[[], None]) -> int:
        """Do something over and over, and refresh whenever it is due; gives how often that was."""
        refreshes = 0
        until = time.monotonic() + 1
        while time.monotonic() < until:
            meanwhile()
            self.take()
            if self.schedule.seconds_left <= 0:
                self.schedule.refresh()
                refreshes += 1
        return refreshes

    def close(self) -> None:
        """Watch no more."""
        self.schedule.close()
        self.paths.close()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Give a host."""
    return Machine(tmp_path)


@pytest.fixture
def bench(machine: Machine) -> Iterator[Bench]:
    """Give a schedule that has refreshed all, and gets reports of everything."""
    bench = Bench(machine, mounts_are_reported=True)
    assert bench.refresh_until_idle() == []
    yield bench
    bench.close()


@pytest.fixture
def blind(machine: Machine) -> Iterator[Bench]:
    """Give a schedule that gets no reports."""
    bench = Bench(machine, mounts_are_reported=False)
    yield bench
    bench.close()


def test_the_first_refresh_is_due_at_once(blind: Bench) -> None:
    """And then the next is not."""
    assert blind.schedule.seconds_left <= 0
    blind.schedule.refresh()
    assert blind.schedule.seconds_left > 0


def test_a_change_is_noticed_in_time_without_a_watch(blind: Bench) -> None:
    """Two refreshes: one that sees it, and one that believes it."""
    blind.schedule.refresh()
    first = blind.schedule.seconds_left
    blind.pass_time(first)
    blind.container_file.write_text(listing(NEW))
    assert blind.schedule.refresh() == []
    second = blind.schedule.seconds_left
    assert second == pytest.approx(SETTLE_SECONDS, abs=SOON_SECONDS)
    assert first + second < NOTICED_SECONDS
    blind.pass_time(second)
    assert blind.schedule.refresh() == [blind.container]


@pytest.mark.parametrize("whose", ["host", "container"])
def test_what_is_reported_is_refreshed_at_once(bench: Bench, whose: str) -> None:
    """And nothing else is due for long."""
    view = bench.machine.host if whose == "host" else bench.container
    bench.pass_time(SETTLE_SECONDS + SETTLE_SECONDS)
    bench.machine.replace(NEW, file=bench.machine.file if whose == "host" else bench.container_file)
    assert bench.schedule.seconds_left > NOTICED_SECONDS
    bench.take()
    assert bench.schedule.seconds_left <= 0
    assert bench.refresh_until_idle() == [view.id]
    assert nameservers(view) == (NEW,)


def test_what_is_reported_right_after_another_report_is_refreshed_at_once_too(bench: Bench) -> None:
    """A new file is made, which is reported, and then renamed."""
    (bench.container_file.parent / "new").write_text(listing(NEW))
    bench.take()
    assert bench.schedule.refresh() == []
    (bench.container_file.parent / "new").rename(bench.container_file)
    bench.take()
    assert bench.schedule.seconds_left < SOON_SECONDS
    bench.pass_time(SETTLE_SECONDS)  # it was renamed in the tick of the clock in which it was written
    bench.schedule.refresh()
    assert bench.refresh_until_idle() == [bench.container.id]


def test_reports_without_end_are_no_refreshes_without_end(bench: Bench) -> None:
    """A directory in which files come and go all the time."""

    def touch() -> None:
        (bench.container_file.parent / "another").touch()
        (bench.container_file.parent / "another").unlink()

    assert bench.refreshes_in_a_second(touch) <= MOST_REFRESHES


def add_a_file_that_was_missing(file: Path) -> None:
    """Let it go, and its directory, and come back in two steps."""
    file.unlink()
    file.parent.rmdir()
    file.parent.mkdir()


def lead_elsewhere(file: Path) -> None:
    """Let a link lead to a directory that is filled afterwards."""
    file.unlink()
    file.symlink_to("../run/resolv.conf")
    (file.parent.parent / "run").mkdir()


@pytest.mark.parametrize("begin", [add_a_file_that_was_missing, lead_elsewhere], ids=lambda one: one.__name__)
def test_what_the_path_leads_to_now_is_watched(bench: Bench, begin: Callable[[Path], None]) -> None:
    """Directories that were not there when it was watched first."""
    begin(bench.container_file)
    bench.refresh_until_idle()
    target = Path(os.path.realpath(bench.container_file))
    target.write_text(listing(NEW))
    bench.refresh_until_idle()
    assert nameservers(bench.container) == (NEW,)
    target.write_text(listing(OTHER))
    bench.refresh_until_idle()
    assert nameservers(bench.container) == (OTHER,)


def test_a_view_that_is_new_is_watched_too(bench: Bench) -> None:
    """It is refreshed soon, since its file may have changed before it was watched."""
    file = bench.machine.root("another", listing(OLD))
    bench.machine.process(30, "another", namespace="another")
    another = bench.machine.see(30)
    file.write_text(listing(NEW))
    assert bench.schedule.seconds_left < NOTICED_SECONDS
    assert bench.refresh_until_idle() == [another.id]
    bench.machine.replace(OTHER, file=file)
    assert bench.refresh_until_idle() == [another.id]


def test_a_mount_concerns_all(bench: Bench) -> None:
    """No watch reports it. Here it is a root that leads to another directory."""
    other = bench.machine.root("other", listing(NEW))
    root = bench.machine.tree.directory / "20" / "root"
    root.unlink()
    root.symlink_to(other.parent.parent)
    bench.schedule.note_mount()
    assert bench.schedule.seconds_left < NOTICED_SECONDS
    assert bench.refresh_until_idle() == [bench.container.id]
    bench.machine.replace(OTHER, file=other)
    assert bench.refresh_until_idle() == [bench.container.id]


def test_mounts_without_end_are_no_refreshes_without_end(bench: Bench) -> None:
    """A machine that starts one container after the other refreshes all views twice a second."""
    bench.schedule.note_mount()
    bench.pass_time(max(0.0, bench.schedule.seconds_left))
    bench.schedule.refresh()
    bench.schedule.note_mount()
    assert bench.schedule.seconds_left > SETTLE_SECONDS


def test_a_flood_ends_the_watch_and_not_the_refreshes(bench: Bench) -> None:
    """Who touches its files all the time is refreshed as if it could not be watched."""
    for number in range(1000):
        (bench.container_file.parent / str(number)).touch()
    for _ in range(3):
        bench.take()
        bench.pass_time(max(0.0, bench.schedule.seconds_left))
        bench.schedule.refresh()
    bench.take()
    assert 0 < bench.schedule.seconds_left < NOTICED_SECONDS
    bench.machine.replace(NEW, file=bench.container_file)
    bench.pass_time(bench.schedule.seconds_left)
    assert bench.schedule.refresh() == [bench.container]


@pytest.mark.parametrize("error", [BlockingIOError, TimeoutError])
def test_a_change_that_could_not_be_read_for_a_moment_is_noticed_in_time(bench: Bench, error: type[OSError]) -> None:
    """It was written in place and has to settle; meanwhile somebody read it, and the refresh for that was refused."""
    bench.container_file.write_text(listing(NEW))
    bench.take()
    assert bench.schedule.refresh() == []
    reader = bench.machine.table.reader

    def refuse(*_: Any) -> Any:
        raise error

    answering, reader._root_reader = reader._root_reader, cast("RootReader", refuse)
    bench.machine.table.refresh_one(bench.container)
    reader._root_reader = answering
    begun = time.monotonic()
    assert bench.refresh_until_idle() == [bench.container.id]
    assert time.monotonic() - begun < NOTICED_SECONDS


def test_those_that_do_not_respond_are_not_refreshed_without_end(bench: Bench) -> None:
    """Several containers, each with a change that has to settle."""
    files = [bench.machine.root(f"c{pid}", listing(OLD)) for pid in SILENT]
    for pid in SILENT:
        bench.machine.process(pid, f"c{pid}", namespace=f"c{pid}")
        bench.machine.see(pid)
    bench.refresh_until_idle()
    for file in files:
        file.write_text(listing(NEW))
    bench.take()
    bench.schedule.refresh()

    def time_out(kind: str, proc: str, pid: int, *arguments: Any) -> Any:
        if pid in SILENT or any(one[0] in SILENT for one in arguments if isinstance(one, tuple)):
            raise TimeoutError
        return read_directly(kind, proc, pid, *arguments)

    bench.machine.table.reader._root_reader = time_out
    assert bench.refreshes_in_a_second(lambda: bench.pass_time(0.005)) <= MOST_REFRESHES


def test_a_report_dates_a_change_that_nothing_else_does(bench: Bench) -> None:
    """A link that leads to an older file: it did so no earlier than it was reported."""
    (bench.container_file.parent / "older").write_text(listing(NEW))
    os.utime(bench.container_file.parent / "older", (1, 1))
    bench.refresh_until_idle()
    bench.machine.clock.advance(100)
    (bench.container_file.parent / "new").symlink_to("older")
    (bench.container_file.parent / "new").rename(bench.container_file)
    before = bench.machine.clock.boot() - SECOND
    bench.refresh_until_idle()
    assert nameservers(bench.container) == (NEW,)
    assert bench.container.history.current.began >= before


def test_nobody_left_to_read_through_is_waited_for_no_more(bench: Bench) -> None:
    """The container has exited: nothing is due for it, and its watches are gone."""
    bench.machine.end(20)
    bench.schedule.note_mount()
    bench.refresh_until_idle()
    bench.pass_time(max(0.0, bench.schedule.seconds_left))
    bench.schedule.refresh()
    assert bench.container.id not in bench.paths
    assert bench.machine.host.id in bench.paths
