"""A container whose file system never answers: the daemon goes on, says so, and still sees everybody else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.demo.lab import NAME, NEW, OLD, World
from exporter.demo.lab.waiting import wait_until
from tests.support.building import build
from tests.support.tracing import SHORT, daemon
from tracer.kernel.privileges import KEPT, LOADING, lacking
from tracer.observe.lookouts import Lookouts
from tracer.observe.roots import Root

SILENT = Path(__file__).parents[1] / "support/silent_fuse.py"
ANSWER_SECONDS = 20.0
"""More than any look takes on a busy machine, and far less than for ever."""


@contextmanager
def silent(directory: Path) -> Iterator[int]:
    """Mount a silent file system on a directory, in a mount namespace of its own; gives a process that sees it."""
    directory.mkdir(exist_ok=True)
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, str(SILENT), str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == "mounted\n"
            yield server.pid
        finally:
            server.kill()


def processes(lookouts: Lookouts) -> list[int]:
    """Give the processes of the lookouts."""
    return [one._process for one in lookouts._lookouts]


@pytest.fixture
def lookouts() -> Iterator[Lookouts]:
    """Return lookouts at work."""
    at_work = Lookouts()
    yield at_work
    at_work.close()


def test_a_look_that_is_not_answered_is_given_up(lookouts: Lookouts, tmp_path: Path) -> None:
    """Where it got stuck nobody looks again, and everybody else is looked at as before."""
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.1\n")
    with silent(tmp_path / "etc") as pid:
        begun = time.monotonic()
        for _ in range(20):
            with pytest.raises(TimeoutError):
                Root("/proc", pid, lookouts).signature(f"{tmp_path}/etc/resolv.conf")
            with pytest.raises(TimeoutError):
                Root("/proc", pid, lookouts).place(f"{tmp_path}/etc/resolv.conf")
            found = Root("/proc", os.getpid(), lookouts).lines_that_matter(f"{tmp_path}/resolv.conf")
            assert found == b"nameserver 192.0.2.1"
        assert time.monotonic() - begun < ANSWER_SECONDS
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:  # once the server is gone the lookout is free again
        try:
            assert Root("/proc", os.getpid(), lookouts).signature(f"{tmp_path}/nowhere") is None
            break
        except TimeoutError:
            assert time.monotonic() < deadline


def test_more_silent_containers_than_lookouts_stall_nothing(tmp_path: Path) -> None:
    """There are as many as may be, and what is left then is to say that nobody can look."""
    few = Lookouts(most=2)
    places = [tmp_path / name for name in "abc"]
    begun = time.monotonic()
    with silent(places[0]) as a, silent(places[1]) as b, silent(places[2]) as c:
        for _ in range(20):
            for pid, place in zip((a, b, c), places, strict=True):
                with pytest.raises(TimeoutError):
                    Root("/proc", pid, few).signature(f"{place}/resolv.conf")
        assert len(processes(few)) == 2
        with pytest.raises(TimeoutError, match="no look gets an answer"):
            Root("/proc", os.getpid(), few).signature("/etc/resolv.conf")
        few.close()
    assert time.monotonic() - begun < ANSWER_SECONDS


def test_one_look_at_command_lines_waits_and_no_other_for_it(lookouts: Lookouts, tmp_path: Path) -> None:
    """A process whose memory cannot be read takes one lookout, however often anybody asks; views are looked at."""
    (tmp_path / "7").mkdir()
    os.mkfifo(tmp_path / "7" / "cmdline")
    for _ in range(3):
        with pytest.raises(TimeoutError):
            lookouts("commands", str(tmp_path), 0, 7)
        assert Root("/proc", os.getpid(), lookouts).signature("/etc/resolv.conf") is not None
    assert len(processes(lookouts)) == 2
    (tmp_path / "7" / "cmdline").write_bytes(b"late\0")
    wait_until(lambda: _late(lookouts, str(tmp_path)) == [["late"]], ANSWER_SECONDS, "the answer")


def _late(lookouts: Lookouts, proc: str) -> object:
    try:
        return lookouts("commands", proc, 0, 7)
    except TimeoutError:
        return None


def test_a_lookout_that_is_killed_is_replaced(lookouts: Lookouts) -> None:
    """By the next look: one is not answered, and the daemon has no zombie of it."""
    (first,) = processes(lookouts)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(TimeoutError, match="killed"):
        Root("/proc", os.getpid(), lookouts).signature("/etc/resolv.conf")
    assert Root("/proc", os.getpid(), lookouts).signature("/etc/resolv.conf") is not None
    assert processes(lookouts) != [first]
    assert not Path(f"/proc/{first}").exists()


def test_a_lookout_ends_without_a_word_when_the_daemon_is_killed(tmp_path: Path) -> None:
    """Also in the middle of a look, and with one that nobody has read the answer to."""
    program = """
import os, signal
from tracer.observe.lookouts import Lookouts
lookouts = Lookouts(patience=0)
print(lookouts._lookouts[0]._process, flush=True)
for _ in range(2):
    try:
        lookouts("signature", "/proc", os.getpid(), "/etc/resolv.conf")
    except TimeoutError:
        pass
os.kill(os.getpid(), signal.SIGKILL)
"""
    with (tmp_path / "log").open("wb") as log:
        done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=log, check=False)
    assert done.returncode == -signal.SIGKILL
    wait_until(lambda: not Path(f"/proc/{int(done.stdout)}").exists(), ANSWER_SECONDS, "the lookout to end")
    assert (tmp_path / "log").read_text() == ""


def test_a_lookout_holds_nothing_of_the_daemons(lookouts: Lookouts, tmp_path: Path) -> None:
    """One socket, besides what the daemon logs to; none of the capabilities that load programs."""
    with (tmp_path / "file").open("w"):
        assert Root("/proc", os.getpid(), lookouts).signature("/etc/resolv.conf") is not None
        (process,) = processes(lookouts)
        assert sorted(os.listdir(f"/proc/{process}/fd")) == ["0", "1", "2"]
    assert os.readlink(f"/proc/{process}/fd/0").startswith("socket:")
    assert lacking(status=f"/proc/{process}/status") == list(LOADING)
    assert lacking(KEPT, status=f"/proc/{process}/status") == []


def test_the_end_does_not_wait_for_an_answer(tmp_path: Path) -> None:
    """The daemon can be stopped, whoever keeps one of its lookouts."""
    with silent(tmp_path / "etc") as pid:
        at_work = Lookouts()
        with pytest.raises(TimeoutError):
            Root("/proc", pid, at_work).signature(f"{tmp_path}/etc/resolv.conf")
        begun = time.monotonic()
        at_work.close()
        assert time.monotonic() - begun < ANSWER_SECONDS


def test_an_answer_that_comes_late_is_not_lost(tmp_path: Path) -> None:
    """A hundred megabytes on a slow machine: whoever asks again has it."""
    line = b"nameserver 192.0.2.1\n"
    (tmp_path / "resolv.conf").write_bytes(line * 5_000_000)
    impatient = Lookouts(patience=0.001)
    try:
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                found = Root("/proc", os.getpid(), impatient).lines_that_matter(f"{tmp_path}/resolv.conf")
                break
            except TimeoutError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
    finally:
        impatient.close()
    assert found.startswith(line)


def test_the_daemon_goes_on_beside_a_silent_container(tmp_path: Path) -> None:
    """Its /etc stops answering below a running daemon: others are flagged as ever, and what is lost is said."""
    text = f"nameserver {OLD}\n{SHORT}"
    with World([OLD, NEW], text) as hostile, World([OLD, NEW], text) as honest, daemon(tmp_path) as running:
        loop: list[str | Path] = [build("getaddrinfo_loop"), NAME, "100"]
        frozen = {"RES_OPTIONS": "no-reload"}
        for pid in (hostile.start(loop, frozen).pid, (stale := honest.start(loop, frozen)).pid):
            running.wait_for(pid, lambda row: bool(row["nameservers"]), 60, "queries")
        hostile.start([sys.executable, SILENT, "/etc"]).wait_for_line("mounted")
        honest.write_resolv_conf(f"nameserver {NEW}\n{SHORT}")
        running.wait_for_state(stale.pid, "stale", 60)
        lost = 'resolvtrace_lost_total{reason="view_unreadable"} 1.0'
        wait_until(lambda: lost in running.metrics(), 60, "the view that fell silent")
        assert running.stop() == 0
