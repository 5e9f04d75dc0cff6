"""`resolvtrace doctor` on the real machine: as root and as nobody, with a daemon and without, on bad files."""

from __future__ import annotations

import ctypes
import grp
import json
import os
import re
import signal
import subprocess
from itertools import pairwise, takewhile
from pathlib import Path
from tempfile import gettempdir

import pytest

from exporter.demo.lab import Program, World
from tests.support.opened import opened
from tests.support.tracing import RESOLVTRACE, daemon
from tracer.doctor import Result
from tracer.doctor.bpf import root_cgroup
from tracer.kernel.cgroup_attachments import ALLOW_MULTI, attached_to
from tracer.kernel.feature_probes import knows_helper, try_program, try_ring
from tracer.kernel.filesystems import find_cgroup2
from tracer.kernel.programs import BPF_PROG_TYPE_CGROUP_SKB, CGROUP_PROGRAMS

CHECKOUT = Path(__file__).parents[2]
AS_NOBODY = (*opened(CHECKOUT), "setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--")
AS_ROOT_WITHOUT_BPF = ("setpriv", "--bounding-set", "-bpf,-sys_admin", "--inh-caps", "-all", "--")
SECONDS = 30
CONF = "/etc/resolv.conf"


def doctor(path: Path | str, *words: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run it, with another command before it, and without the width of anybody's terminal."""
    argv = [*before, str(RESOLVTRACE), "doctor", "--socket", str(path), *words]
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=SECONDS, env=environment)


_LINE = re.compile(r"(ok|warn|fail) +(\S+(?: \S+)*)  +\S")


def results(done: subprocess.CompletedProcess[str]) -> dict[str, set[str]]:
    """Give the results of each check, and see that it is a line to each finding, and one more if it is not ok."""
    *lines, blank, _sum = done.stdout.splitlines()
    assert blank == ""
    found: dict[str, set[str]] = {}
    for line, after in pairwise([*lines, blank]):
        if line.startswith(" "):
            continue
        match = _LINE.match(line)
        assert match, line
        assert after.startswith(" ") is (match[1] != "ok"), line
        found.setdefault(match[2], set()).add(match[1])
    return found


def status(found: dict[str, set[str]]) -> int:
    """Give the exit status that these results should have; what else the machine lacks is not for a test to say."""
    worst = set.union(*found.values())
    return 2 if "fail" in worst else 1 if "warn" in worst else 0


def test_root_with_a_daemon(tmp_path: Path) -> None:
    """What the daemon runs on is found to be in order, and so is the daemon."""
    with daemon(tmp_path) as running:
        done = doctor(running.socket)
        as_json = doctor(running.socket, "--json")
    found = results(done)
    wanted = ("kernel", "namespaces", "privileges", "bpf", "cgroup2", "tracefs", "bcc", "socket", "daemon", "probes")
    assert {name: found[name] for name in wanted} == {name: {"ok"} for name in wanted}, done.stdout
    assert (done.returncode, done.stderr) == (status(found), "")
    printed = json.loads(as_json.stdout)
    assert [set(finding) for finding in printed["findings"]] == [{"check", "result", "finding", "remedy"}] * len(
        printed["findings"]
    )
    assert {finding["check"] for finding in printed["findings"]} == set(found)


def test_no_daemon(tmp_path: Path) -> None:
    """A warning, and no more for that."""
    done = doctor(tmp_path / "none")
    assert results(done)["daemon"] == {"warn"}
    assert done.returncode == status(results(done)) >= 1


def test_nobody_learns_what_root_is_needed_for() -> None:
    """No traceback, and what can be seen is reported all the same."""
    done = doctor("/nonexistent/socket", before=AS_NOBODY)
    found = results(done)
    assert (found["privileges"], found["bpf"], found["daemon"]) == ({"warn"}, {"warn"}, {"warn"}), done.stdout
    assert (found["kernel"], found["bcc"]) == ({"ok"}, {"ok"})
    assert "cannot be tried without CAP_BPF" in done.stdout
    assert "sudo resolvtrace doctor" in done.stdout
    assert (done.returncode, done.stderr) == (status(found), "")
    assert status(found) >= 1


def test_nobody_beside_a_daemon_that_traces(tmp_path: Path) -> None:
    """Whoever may ask the daemon needs no privileges to learn that all is well."""
    with daemon(tmp_path) as running:
        for directory in (tmp_path, *takewhile(lambda one: one != Path(gettempdir()), tmp_path.parents)):
            directory.chmod(directory.stat().st_mode | 0o055)
        refused = doctor(running.socket, before=AS_NOBODY)
        assert results(refused)["daemon"] == {"warn"}
        assert "not permitted to use the socket" in refused.stdout
        os.chown(running.socket, -1, grp.getgrnam("nogroup").gr_gid)
        found = results(doctor(running.socket, before=AS_NOBODY))
    assert (found["privileges"], found["bpf"], found["tracefs"], found["probes"]) == ({"ok"}, {"ok"}, {"ok"}, {"ok"})


def test_root_without_the_capabilities(tmp_path: Path) -> None:
    """As in a container: a failure, and the remedy is not to become root."""
    done = doctor(tmp_path / "none", before=AS_ROOT_WITHOUT_BPF)
    assert results(done)["privileges"] == {"fail"}
    assert "lacks CAP_BPF: " in done.stdout
    assert "sudo" not in done.stdout
    assert done.returncode == 2


def of_resolv_conf(world: World) -> list[tuple[str, str]]:
    """Run it in a world; give result and text of what it finds of resolv.conf."""
    program = world.start([RESOLVTRACE, "doctor", "--json", "--socket", "/nonexistent"])
    program.wait(SECONDS)
    printed = json.loads(program.output())
    return [(one["result"], one["finding"]) for one in printed["findings"] if one["check"] == "resolv.conf"]


def test_bad_files() -> None:
    """What is in a resolv.conf, and what is in its place: reported, without a hang."""
    with World([], "nameserver 192.0.2.1\n") as world:
        assert of_resolv_conf(world) == [("ok", "lists 192.0.2.1")]
        world.write_resolv_conf(" nameserver 192.0.2.1\nnameserver 192.0.2.2\r\n")
        (first, second, third) = of_resolv_conf(world)
        assert (first[0], second[0], third[0]) == ("warn", "warn", "fail")
        assert "other resolvers query 192.0.2.1, 192.0.2.2" in third[1]
        world.delete_resolv_conf()
        ((result, text),) = of_resolv_conf(world)
        assert (result, "there is no /etc/resolv.conf" in text) == ("fail", True)
        os.mkfifo(world.path(CONF))
        ((result, text),) = of_resolv_conf(world)
        assert (result, "not a regular file" in text) == ("fail", True)
        world.delete_resolv_conf()
        world.path(CONF).symlink_to("../run/systemd/resolve/stub-resolv.conf")
        ((result, text),) = of_resolv_conf(world)
        assert (result, "dangling" in text) == ("fail", True)


def test_what_hangs_or_aborts_programs_does_so() -> None:
    """The two failures that glibc 2.36 makes of a line, on this machine's glibc: else the advice is out of date.

    glibc 2.41 no longer aborts a program for a long domain; the advice names the version that does.
    """
    ends_programs = os.confstr("CS_GNU_LIBC_VERSION") == "glibc 2.36"
    options = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"

    def lookup(line: str) -> Program:
        world.write_resolv_conf(options + line)
        return world.start(["getent", "ahosts", "x.example"])

    with World([], options) as world:
        assert lookup(f"search {'a' * 255}\n").wait(SECONDS) == 2
        assert lookup(f"search {'a' * 256}\n").wait(SECONDS) == (-signal.SIGABRT if ends_programs else 2)
        with pytest.raises(subprocess.TimeoutExpired):
            lookup("sortlist 192.0.2.0\r\n").wait(5)


def test_the_trials_leave_nothing_behind() -> None:
    """Programs of each kind, and a ring: taken by this kernel, and nothing is attached after it."""
    root = str(find_cgroup2())
    before = [attached_to(root, program.attach_type) for program in CGROUP_PROGRAMS]
    for program in CGROUP_PROGRAMS:
        try_program(program.program_type, program.attach_type)
    try_ring()
    assert [attached_to(root, program.attach_type) for program in CGROUP_PROGRAMS] == before
    with pytest.raises(OSError, match="Invalid argument"):
        try_program(999)


@pytest.mark.parametrize(("helper", "known"), [(5, True), (58, False), (2**31 - 1, False)])
def test_helpers_that_a_program_may_call(helper: int, known: bool) -> None:
    """bpf_ktime_get_ns() is for all, bpf_override_return() is not for packets, and no kernel has the last."""
    assert knows_helper(BPF_PROG_TYPE_CGROUP_SKB, helper) is known


def test_a_root_that_is_shared(tmp_path: Path) -> None:
    """The daemon's own programs allow others beside them."""
    root = str(find_cgroup2())
    with daemon(tmp_path):
        held = [attached_to(root, program.attach_type) for program in CGROUP_PROGRAMS]
    assert all(one.programs and one.flags & ALLOW_MULTI for one in held)


@pytest.mark.parametrize(("flags", "result"), [(0, Result.FAIL), (ALLOW_MULTI, Result.OK)])
def test_a_cgroup_that_another_program_holds(flags: int, result: Result) -> None:
    """Tried on a cgroup of the test's own, by a program that is attached with or without BPF_F_ALLOW_MULTI."""
    library = ctypes.CDLL("libbpf.so.1")
    allow = bytes.fromhex("b7000000010000009500000000000000")
    program = library.bpf_prog_load(8, b"holder", b"GPL", ctypes.c_char_p(allow), ctypes.c_size_t(2), None)
    directory = Path(str(find_cgroup2())) / f"doctor-{os.getpid()}"
    directory.mkdir()
    try:
        cgroup = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        assert library.bpf_prog_attach(program, cgroup, 1, flags) == 0
        os.close(cgroup)
        os.close(program)
        finding = root_cgroup(directory)
    finally:
        directory.rmdir()
    assert finding.result == result, finding
    assert ("holder (id " in finding.text) is ("holds egress" in finding.text) is (result is Result.FAIL)


def test_nscd_that_runs(tmp_path: Path) -> None:
    """In a world of its own."""
    with World([], "nameserver 192.0.2.1\n") as world:
        world.start_nscd()
        program = world.start([RESOLVTRACE, "doctor", "--socket", str(tmp_path / "none")])
        program.wait(SECONDS)
        assert "nscd           running: getaddrinfo(3) and gethostbyname(3) go through it" in program.output()
