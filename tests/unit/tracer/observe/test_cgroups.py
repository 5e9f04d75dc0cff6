"""Cgroups by number, on the real cgroup2 of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracer.observation.machine import cgroup_root
from tracer.observe.cgroups import CgroupPaths


@pytest.fixture
def unit() -> Iterator[Path]:
    """Give a cgroup of a unit, as systemd would make it."""
    top = Path(cgroup_root()) / f"resolvtrace-test-{os.getpid()}"
    unit = top / "foo.service"
    unit.mkdir(parents=True)
    yield unit
    for directory in (unit, top):
        if directory.exists():
            directory.rmdir()


@pytest.mark.root
def test_a_number_is_found_however_new_the_cgroup_is(unit: Path) -> None:
    """What bpf_get_current_cgroup_id() gives is the directory's inode number."""
    assert CgroupPaths(cgroup_root()).path(unit.stat().st_ino) == f"/{unit.parent.name}/foo.service"


@pytest.mark.root
def test_the_root_is_a_slash() -> None:
    """As in /proc/PID/cgroup."""
    assert CgroupPaths(cgroup_root()).path(os.stat(cgroup_root()).st_ino) == "/"


@pytest.mark.root
def test_a_number_that_no_cgroup_has_is_not_known(unit: Path) -> None:
    """Nor is one whose cgroup is gone, unless it was looked up before."""
    number = unit.stat().st_ino
    known = CgroupPaths(cgroup_root())
    assert known.path(number)
    unit.rmdir()
    assert known.path(number) == f"/{unit.parent.name}/foo.service"
    assert CgroupPaths(cgroup_root()).path(number) is None
    assert known.path(1 << 40) is None


def test_without_cgroup2_nothing_is_known(tmp_path: Path) -> None:
    """Another file system, or none at all."""
    assert CgroupPaths(str(tmp_path)).path(1) is None
    assert CgroupPaths(str(tmp_path / "none")).path(1) is None
