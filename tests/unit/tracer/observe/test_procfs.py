"""What /proc tells of a process, read from trees of files."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.proctree import ProcTree
from tracer.identity import Identity
from tracer.observe.procfs import Procfs, cgroup_path, is_32_bit

HYBRID = "/system.slice/cron.service"
_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@pytest.fixture
def tree(tmp_path: Path) -> ProcTree:
    """Return a /proc without processes."""
    return ProcTree(tmp_path)


@pytest.mark.parametrize(
    "comm", [b"getip", b"a) (b", b"a) S 1 (b", b") R 99 99", b"(", b")", b"", b"x\ny", b"\xff\x1b[31m", b"tmux: server"]
)
def test_any_comm_leaves_the_other_fields_alone(tree: ProcTree, comm: bytes) -> None:
    """Comm is its owner's to choose, parentheses, blanks and newlines included."""
    tree.add(7, comm=comm, parent=3, ticks=12345)
    stat = Procfs(tree.root).stat(7)
    assert stat is not None
    assert os.fsencode(stat.comm) == comm
    assert (stat.state, stat.parent, stat.start) == ("S", 3, 12345 * _TICK)


@settings(deadline=None, max_examples=40)
@given(st.binary(max_size=15).filter(lambda comm: b"\0" not in comm))
def test_no_comm_whatever_leads_astray(tmp_path_factory: pytest.TempPathFactory, comm: bytes) -> None:
    """Fifteen bytes of anything but NUL."""
    tree = ProcTree(tmp_path_factory.mktemp("comm"))
    tree.add(7, comm=comm, parent=3, ticks=5)
    stat = Procfs(tree.root).stat(7)
    assert stat is not None
    assert (os.fsencode(stat.comm), stat.parent, stat.start) == (comm, 3, 5 * _TICK)


def test_who_a_process_is(tree: ProcTree) -> None:
    """Everything that an administrator knows it by."""
    tree.add(7, comm=b"a) (b", exe="/usr/sbin/named", uid=53, cgroup="0::/system.slice/named.service\n", ticks=9)
    found = Procfs(tree.root).identity(7)
    assert (found.comm, found.exe, found.uid) == ("a) (b", "/usr/sbin/named", 53)
    assert (found.unit, found.container, found.start) == ("named.service", None, 9 * _TICK)
    assert found.image is not None


def test_a_process_that_is_gone_is_no_error(tree: ProcTree) -> None:
    """Nothing is known of it, and nothing raises."""
    procfs = Procfs(tree.root)
    assert procfs.stat(7) is None
    assert procfs.running(7) is None
    assert procfs.image(7) is None
    assert procfs.exe(7) is None
    assert procfs.root_identity(7) is None
    assert procfs.namespace(7, "mnt") is None
    assert not procfs.is_alive(7)
    assert procfs.identity(7) == Identity()


def vars_of(procfs: Procfs, pid: int) -> list[object]:
    """Return all that is known of who a process is."""
    found = procfs.identity(pid)
    return [getattr(found, name) for name in found.__slots__]


@pytest.mark.parametrize("name", ["stat", "comm", "cgroup", "status", "auxv", "exe"])
def test_a_process_that_vanishes_while_it_is_read_keeps_what_was_read(tree: ProcTree, name: str) -> None:
    """Any one file may be gone already; the rest stands."""
    process = tree.add(7, exe="/bin/x", cgroup="0::/system.slice/x.service\n")
    (process / name).unlink()
    known = vars_of(Procfs(tree.root), 7)
    assert known.count(None) == 4  # that one, and the container, its unit and the pod that it has none of


def test_an_empty_stat_is_a_process_that_is_gone(tree: ProcTree) -> None:
    """Opened while it lived, read when it did not."""
    (tree.add(7) / "stat").write_bytes(b"")
    assert Procfs(tree.root).stat(7) is None
    assert Procfs(tree.root).running(7) is None


def test_a_zombie_is_not_alive(tree: ProcTree) -> None:
    """It only waits for its parent."""
    tree.add(7, state="Z")
    assert not Procfs(tree.root).is_alive(7)


def test_a_process_whose_first_thread_exited_is_alive(tree: ProcTree) -> None:
    """/proc shows it as a zombie, and its other threads go on querying."""
    process = tree.add(7, state="Z")
    (process / "task" / "8").mkdir()
    assert Procfs(tree.root).is_alive(7)


def test_only_processes_are_processes(tree: ProcTree) -> None:
    """/proc holds a great deal else."""
    for name in ("self", "net", "1a", "sys"):
        (tree.directory / name).mkdir()
    tree.add(7)
    tree.add(4194304)
    assert sorted(Procfs(tree.root).pids()) == [7, 4194304]


def test_an_image_tells_execs_apart_and_forks_together(tree: ProcTree) -> None:
    """The auxiliary vector is new at each exec and copied at each fork."""
    tree.add(7, auxv=b"one")
    tree.add(8, auxv=b"one")
    tree.add(9, auxv=b"two")
    procfs = Procfs(tree.root)
    assert procfs.image(7) == procfs.image(8) != procfs.image(9)


def test_a_kernel_thread_has_no_image(tree: ProcTree) -> None:
    """Its auxv is empty, and so alike in all of them: that must not pass for kinship."""
    (tree.add(2) / "auxv").write_bytes(b"")
    assert Procfs(tree.root).image(2) is None


def test_the_root_of_a_process_is_its_namespace_and_directory(tree: ProcTree, tmp_path: Path) -> None:
    """Processes alike in both see the same file."""
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    tree.add(7, root=one)
    tree.add(8, root=one)
    tree.add(9, root=one, namespace="second")
    tree.add(10, root=other)
    procfs = Procfs(tree.root)
    roots = [procfs.root_identity(pid) for pid in (7, 8, 9, 10)]
    assert roots[0] == roots[1]
    assert len(set(roots)) == 3


@pytest.mark.parametrize(
    ("groups", "path"),
    [
        ("0::/system.slice/sendmail.service\n", "/system.slice/sendmail.service"),
        ("12:cpuset:/\n2:cpu,cpuacct:/system.slice\n1:name=systemd:/system.slice/cron.service\n0::/\n", HYBRID),
        ("12:cpuset:/\n1:name=systemd:/system.slice/cron.service\n", HYBRID),
        ("0::/system.slice/x.service/a:b\n", "/system.slice/x.service/a:b"),
        ("0::/\n", "/"),
        ("1:name=systemd:/\n", "/"),
        ("", "/"),
    ],
)
def test_the_path_that_names_a_processs_unit(groups: str, path: str) -> None:
    """The unified hierarchy's or, on a hybrid or legacy host, systemd's own (cgroups(7))."""
    assert cgroup_path(groups) == path


@given(st.binary(max_size=200).map(os.fsdecode))
def test_no_text_of_cgroups_raises(groups: str) -> None:
    """A cgroup's name is its maker's to choose."""
    cgroup_path(groups)


def test_the_boot_is_known_by_its_id(tree: ProcTree) -> None:
    """Without the newline."""
    place = tree.directory / "sys" / "kernel" / "random"
    place.mkdir(parents=True)
    (place / "boot_id").write_text("f0\n")
    assert Procfs(tree.root).boot_id() == "f0"


def test_a_32_bit_program_is_recognized_by_its_auxiliary_vector() -> None:
    """By the width of its words (getauxval(3)): no file of the program's is looked at."""
    assert not is_32_bit(Path("/proc/self/auxv").read_bytes())
    assert is_32_bit(struct.pack("=8I", 33, 0xF7F00000, 6, 4096, 17, 100, 0, 0))
    assert not is_32_bit(b"")
