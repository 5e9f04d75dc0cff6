"""What `doctor` finds on machines that are made up of files, and on this one."""

from __future__ import annotations

import errno
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracer.doctor import Finding
from tracer.doctor.bpf import bpf
from tracer.doctor.capabilities import capabilities
from tracer.doctor.filesystems import cgroup2, tracefs
from tracer.doctor.kernel import jit, lockdown, locked_memory, namespaces, version
from tracer.doctor.libraries import bcc
from tracer.doctor.nscd import nscd
from tracer.doctor.resolvfile import resolv_conf
from tracer.kernel import feature_probes
from tracer.kernel.filesystems import find_cgroup2
from tracer.kernel.programs import TRACEPOINTS

ALL = 0x1FFFFFFFFFF
BPF, PERFMON, SYS_ADMIN, SYS_PTRACE = 1 << 39, 1 << 38, 1 << 21, 1 << 19


def write(path: Path, text: str | bytes) -> Path:
    """Write a file, with the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Give the /proc of root on Linux 6.1."""
    root = tmp_path / "proc"
    write(root / "sys/kernel/osrelease", "6.1.0-18-amd64\n")
    privileged(root, ALL)
    write(root / "filesystems", "nodev\tcgroup\nnodev\tcgroup2\n")
    write(root / "self/mountinfo", "29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    return root


def privileged(proc: Path, effective: int, uid: int = 0) -> Path:
    """Give the process these capabilities."""
    write(proc / "self/status", f"Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nCapEff:\t{effective:016x}\n")
    return proc


def results(findings: Iterator[Finding]) -> list[str]:
    """Give each finding's result."""
    return [str(finding.result) for finding in findings]


@pytest.mark.parametrize(
    ("release", "result"),
    [
        ("5.15.0-91-generic", "fail"),
        ("4.19", "fail"),
        ("6.1.0-18-amd64", "ok"),
        ("7.2.13+deb14-amd64", "ok"),
        ("", "fail"),
    ],
)
def test_the_kernel_s_version(proc: Path, release: str, result: str) -> None:
    """6.1 and later will do."""
    write(proc / "sys/kernel/osrelease", release + "\n")
    assert version(proc).result == result


def test_a_container_is_reported_with_the_flag_that_helps(proc: Path) -> None:
    """The pid namespace is not the first if its inode is another."""
    write(proc / "self/ns/pid", "")
    (finding,) = namespaces(proc)
    assert (finding.result, "--pid=host" in (finding.remedy or "")) == ("fail", True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("none integrity [confidentiality]\n", ["fail"]), ("none [integrity] confidentiality\n", []), (None, [])],
)
def test_lockdown(tmp_path: Path, text: str | None, expected: list[str]) -> None:
    """Only its stricter form forbids what is needed."""
    if text:
        write(tmp_path / "kernel/security/lockdown", text)
    assert results(lockdown(tmp_path)) == expected


def test_an_interpreter_of_bpf_is_reported(proc: Path) -> None:
    """And a compiler is not."""
    assert results(jit(proc)) == []
    switch = write(proc / "sys/net/core/bpf_jit_enable", "0\n")
    assert results(jit(proc)) == ["warn"]
    switch.write_text("1\n")
    assert results(jit(proc)) == []


@pytest.mark.parametrize(
    ("release", "limit", "result"),
    [("6.1.0", "65536", "ok"), ("5.10.0", "65536", "warn"), ("5.10.0", "unlimited", "ok")],
)
def test_locked_memory_counts_on_old_kernels_only(proc: Path, release: str, limit: str, result: str) -> None:
    """Before Linux 5.11."""
    write(proc / "sys/kernel/osrelease", release)
    write(proc / "self/limits", f"Limit  Soft Limit  Hard Limit  Units\nMax locked memory  {limit}  {limit}  bytes\n")
    assert locked_memory(proc).result == result


@pytest.mark.parametrize(
    ("effective", "uid", "tracing", "result", "named"),
    [
        (ALL, 0, False, "ok", "every capability"),
        (ALL & ~BPF & ~PERFMON, 0, False, "ok", "every capability"),  # CAP_SYS_ADMIN carries them
        (ALL & ~SYS_ADMIN, 0, False, "ok", "without CAP_SYS_ADMIN older TCP connections"),
        (0, 65534, False, "warn", "CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH"),
        (0, 65534, True, "ok", "the running daemon has what it needs"),
        (ALL & ~BPF & ~SYS_ADMIN, 0, False, "fail", "CAP_BPF:"),
        (ALL & ~SYS_PTRACE, 0, False, "warn", "of other users' processes"),
    ],
)
def test_capabilities(proc: Path, effective: int, uid: int, tracing: bool, result: str, named: str) -> None:
    """Root without them is in trouble; another user is merely not root."""
    (finding,) = capabilities(privileged(proc, effective, uid), tracing=tracing)
    assert (finding.result, named in finding.text) == (result, True), finding
    assert "sudo" in (finding.remedy or "sudo") or uid == 0


@pytest.mark.parametrize(
    ("level", "effective", "tracing", "result"),
    [
        ("3", ALL & ~SYS_ADMIN, False, "fail"),
        ("3", ALL & ~SYS_ADMIN, True, "ok"),
        ("3", ALL, False, "ok"),
        ("2", ALL & ~SYS_ADMIN, False, "ok"),
    ],
)
def test_a_kernel_that_wants_more_for_tracepoints(
    proc: Path, level: str, effective: int, tracing: bool, result: str
) -> None:
    """Debian's at its default level: with CAP_PERFMON alone no probe can be opened."""
    write(proc / "sys/kernel/perf_event_paranoid", f"{level}\n")
    (finding,) = capabilities(privileged(proc, effective), tracing=tracing)
    assert finding.result == result
    assert ("perf_event_paranoid=2" in (finding.remedy or "")) == (result == "fail")


@pytest.mark.parametrize(
    ("error", "texts"),
    [
        (PermissionError(errno.EPERM, "Operation not permitted"), ["the kernel refuses BPF"]),
        (OSError("libbpf.so.1: cannot open shared object file"), ["libbpf cannot be loaded"]),
        (
            OSError(errno.EINVAL, "Invalid argument"),
            ["no BPF programs on cgroups", "no BPF programs on tracepoints", "no BPF ring buffer"],
        ),
    ],
    ids=["refused", "no library", "not in this kernel"],
)
def test_bpf_that_does_not_work(proc: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, texts: list[str]) -> None:
    """Each cause has its own words, and is reported once."""

    def no(*_: object) -> None:
        raise error

    monkeypatch.setattr(feature_probes, "try_program", no)
    monkeypatch.setattr(feature_probes, "try_ring", no)
    findings = list(bpf(proc, tracing=False))
    assert [finding.result for finding in findings] == ["fail"] * len(texts)
    assert [text in finding.text for text, finding in zip(texts, findings, strict=True)] == [True] * len(texts)


def test_bpf_without_privileges(proc: Path) -> None:
    """It cannot be tried; a daemon that traces has tried it."""
    privileged(proc, 0, 65534)
    assert results(bpf(proc, tracing=False)) == ["warn"]
    assert results(bpf(proc, tracing=True)) == ["ok"]


@pytest.mark.parametrize(
    ("mountinfo", "filesystems", "effective", "result"),
    [
        ("29 23 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n", "", 0, "ok"),
        ("29 23 0:26 /part /mnt rw - cgroup2 cgroup2 rw\n", "nodev\tcgroup2\n", ALL, "ok"),
        ("", "nodev\tcgroup2\n", ALL & ~SYS_ADMIN, "fail"),
        ("", "nodev\tcgroup2\n", 0, "ok"),
        ("", "nodev\tcgroup\n", ALL, "fail"),
    ],
)
def test_cgroup2(proc: Path, mountinfo: str, filesystems: str, effective: int, result: str) -> None:
    """Mounted, or to be mounted by a daemon that may."""
    write(proc / "self/mountinfo", mountinfo)
    write(proc / "filesystems", filesystems)
    assert cgroup2(privileged(proc, effective)).result == result


def test_in_a_cgroup_namespace_the_machines_tree_is_the_one_above(proc: Path) -> None:
    """A container's own part of it is mounted first, and says that it is the root."""
    lines = ["40 30 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw", "41 30 0:26 /../../.. /host ro - cgroup2 cgroup rw"]
    mountinfo = write(proc / "self/mountinfo", "\n".join([*lines, "42 30 0:26 /../x /other ro - cgroup2 cgroup rw"]))
    assert find_cgroup2(mountinfo) == Path("/host")


def test_tracefs_and_its_tracepoints(proc: Path, tmp_path: Path) -> None:
    """No tracefs; one that is not mounted; one that lacks what may be lacked, and what may not."""
    sys_ = tmp_path / "sys"
    assert results(tracefs(proc, sys_, tracing=False)) == ["fail"]
    place = sys_ / "kernel/tracing"
    place.mkdir(parents=True)
    assert results(tracefs(proc, sys_, tracing=False)) == ["ok"]
    assert results(tracefs(privileged(proc, ALL & ~SYS_ADMIN), sys_, tracing=False)) == ["fail"]
    for point in TRACEPOINTS:
        (place / "events" / point.category / point.name).mkdir(parents=True)
    assert results(tracefs(proc, sys_, tracing=False)) == ["ok", "ok"]
    (place / "events/syscalls/sys_enter_open").rmdir()  # arm64 has none
    assert results(tracefs(proc, sys_, tracing=False)) == ["ok", "ok"]
    (place / "events/syscalls/sys_enter_openat2").rmdir()
    assert results(tracefs(proc, sys_, tracing=False)) == ["ok", "warn"]
    (place / "events/syscalls/sys_exit_openat").rmdir()
    assert results(tracefs(proc, sys_, tracing=False)) == ["ok", "fail"]


def test_bcc_of_this_python() -> None:
    """The distribution's."""
    assert bcc(sys.executable).result == "ok"


@pytest.mark.parametrize(
    ("module", "why"),
    [("raise ImportError('libbcc.so.0')", "libbcc.so.0"), ("__version__ = '1'", "no attribute 'BPF'")],
)
def test_a_bcc_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, why: str) -> None:
    """One whose library is not there, and the other project of that name."""
    write(tmp_path / "bcc.py", module)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    finding = bcc(sys.executable)
    assert (finding.result, why in finding.text, "\n" in finding.text) == ("fail", True, False), finding


def test_nscd() -> None:
    """Not there; there, and somebody listens; left behind by one that was killed."""
    with tempfile.TemporaryDirectory() as directory:
        run = Path(directory)
        assert "not running" in nscd(run).text
        (run / "nscd").mkdir()
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(run / "nscd/socket"))
            server.listen()
            assert "running: getaddrinfo" in nscd(run).text
        assert "not running" in nscd(run).text


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give the place of resolv.conf below a root."""
    (tmp_path / "root/etc").mkdir(parents=True)
    return tmp_path / "root/etc/resolv.conf"


def examined(file: Path) -> list[tuple[str, str]]:
    """Examine it; give result and text."""
    return [(str(finding.result), finding.text) for finding in resolv_conf(str(file.parents[1]))]


def test_a_sound_file(file: Path) -> None:
    """Behind a link too, which is resolved below the root."""
    target = write(file.parents[1] / "run/stub.conf", "nameserver 192.0.2.1\n")
    target.chmod(0o644)
    file.symlink_to("/run/stub.conf")
    assert examined(file) == [("ok", "lists 192.0.2.1")]


def test_no_file(file: Path) -> None:
    """Nobody queries anything but 127.0.0.1."""
    ((result, text),) = examined(file)
    assert (result, "there is no /etc/resolv.conf" in text) == ("fail", True)


@pytest.mark.parametrize(
    ("target", "remedy"),
    [
        ("../run/systemd/resolve/stub-resolv.conf", "systemctl enable --now systemd-resolved"),
        ("/run/NetworkManager/resolv.conf", "NetworkManager"),
        ("/nowhere", "start what makes /nowhere"),
    ],
)
def test_a_link_that_leads_nowhere(file: Path, target: str, remedy: str) -> None:
    """The program that makes its target is named."""
    file.symlink_to(target)
    (finding,) = resolv_conf(str(file.parents[1]))
    assert (finding.result, target in finding.text, remedy in (finding.remedy or "")) == ("fail", True, True), finding


@pytest.mark.parametrize("kind", ["fifo", "directory"])
def test_no_regular_file(file: Path, kind: str) -> None:
    """It is not opened, so that nothing hangs."""
    if kind == "fifo":
        os.mkfifo(file)
    else:
        file.mkdir()
    ((result, text),) = examined(file)
    assert (result, "not a regular file" in text) == ("fail", True)


def test_a_file_for_root_alone(file: Path) -> None:
    """What it lists, and who may not read it."""
    write(file, "nameserver 192.0.2.1\n").chmod(0o600)
    (first, second) = examined(file)
    assert (first[0], "mode 0600" in first[1]) == ("fail", True)
    assert second == ("ok", "lists 192.0.2.1")


def test_a_huge_file(file: Path) -> None:
    """Its beginning is looked at, and it is said that the rest was not."""
    write(file, "nameserver 192.0.2.1\n").chmod(0o644)
    os.truncate(file, 8 << 30)  # with NUL bytes, which is reported too
    assert [result for result, _ in examined(file)] == ["warn", "warn", "ok"]


def test_a_kernel_that_cannot_look(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is there is not said to be missing."""
    write(file, "nameserver 192.0.2.1\n")
    monkeypatch.setattr("tracer.observe.rootfs._SYS_OPENAT2", 10_000)
    ((result, text),) = examined(file)
    assert (result, "openat2" in text) == ("warn", True)
