"""Whose resolv.conf it was that a process opened: between its open and the look at it the machine goes on."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import cast

import pytest

from tests.support.doubles import NEW, OLD, FakeClock, FakeMap
from tests.support.proctree import ProcTree
from tracer.kernel.probes import Probes
from tracer.kernel.records import KernelProcess, Subject
from tracer.observation.lineage import Lineage
from tracer.observation.machine import Machine
from tracer.observation.newcomers import subject_of
from tracer.observe.cgroups import CgroupPaths
from tracer.observe.procfs import Procfs
from tracer.resolvconf.view import View
from tracer.resolvconf.view_table import ViewTable

PID = 10
_ENTRY = KernelProcess(1, 1, 0, 0, 0, 0, 0, 0, (), 0, 0, 0, 1, 0)


class Bench:
    """A host, and a process that has a root directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.tree = ProcTree(directory)
        self.file("host", OLD)
        self.tree.add(1, root=directory / "host")
        self.tree.add(PID, root=directory / "host")
        self.clock, self.map = FakeClock(), FakeMap()
        self.root(1)
        lineage, procfs = Lineage(self.map), Procfs(self.tree.root)
        views = ViewTable(procfs, self.clock, lineage.root_number, {})
        self.views = views
        self.machine = Machine(
            procfs, lineage, views, cast("Probes", self.map), CgroupPaths("/nonexistent"), self.clock, Counter()
        )

    def file(self, root: str, address: str) -> Path:
        """Make a resolv.conf below a root directory, another file than before."""
        etc = self.directory / root / "etc"
        etc.mkdir(parents=True, exist_ok=True)
        (etc / "new").write_text(f"nameserver {address}\n")
        os.replace(etc / "new", etc / "resolv.conf")
        return etc / "resolv.conf"

    def root(self, number: int, directory: str = "host") -> None:
        """Give the process a root directory, as the kernel side numbers it, and what that is."""
        place = self.tree.directory / str(PID) / "root"
        place.unlink()
        place.symlink_to(self.directory / directory)
        entry = self.map.entries.get(PID)
        self.map.entries[PID] = (entry or _ENTRY)._replace(root=number)

    def subject(self) -> Subject:
        """Describe the process as it is now."""
        return subject_of(PID, self.map.entries[PID])

    def opened(self, file: Path, subject: Subject) -> str | None:
        """Give what the view lists whose file the process has opened, by a relative path."""
        status = file.stat()
        device = os.major(status.st_dev) << 20 | os.minor(status.st_dev)
        view = self.machine.view_of_file(subject, status.st_ino, device)
        return view.history.current.conf.nameservers[0] if view is not None else None


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Return one where the process's view was just looked at."""
    made = Bench(tmp_path)
    assert made.machine.own_view(made.subject()) is made.views.host
    return made


def test_a_file_that_was_replaced_since_the_last_look_is_its_own(bench: Bench) -> None:
    """What was seen of the view is older than the open."""
    assert bench.opened(bench.file("host", NEW), bench.subject()) == OLD, "its change is not believed yet"


@pytest.mark.parametrize("number", [1, 2])
def test_a_file_that_was_mounted_since_the_last_look_is_its_own(bench: Bench, number: int) -> None:
    """Also if it has got another number for its root since it opened the file: unshare(2)."""
    file = bench.file("mounted", NEW)
    bench.root(1, "mounted")
    subject = bench.subject()
    bench.root(number, "mounted")
    assert bench.opened(file, subject) == NEW


def test_another_file_is_not_its_own_and_is_not_looked_for_each_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that opens it over and over costs little."""
    refreshed: list[View] = []
    file = bench.file("elsewhere", NEW)
    monkeypatch.setattr(bench.views, "refresh_one", refreshed.append)
    assert [bench.opened(file, bench.subject()) for _ in range(5)] == [None] * 5
    assert len(refreshed) == 1
