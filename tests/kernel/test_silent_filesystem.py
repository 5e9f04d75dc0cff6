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
from tracer.observe.root_readers import RootReaders
from tracer.observe.roots import Root

SILENT = Path(__file__).parents[1] / "support/silent_fuse.py"
ANSWER_SECONDS = 20.0
"""More than any request takes on a busy machine, and far less than for ever."""


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


def processes(readers: RootReaders) -> list[int]:
    """Give the processes of the root readers."""
    return [one._process for one in readers._readers]


@pytest.fixture
def readers() -> Iterator[RootReaders]:
    """Return root readers at work."""
    at_work = RootReaders()
    yield at_work
    at_work.close()


def test_a_request_without_an_answer_is_given_up(readers: RootReaders, tmp_path: Path) -> None:
    """Nothing is read where it got stuck, and everything else is read as before."""
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.1\n")
    with silent(tmp_path / "etc") as pid:
        begun = time.monotonic()
        for _ in range(20):
            with pytest.raises(TimeoutError):
                Root("/proc", pid, readers).signature(f"{tmp_path}/etc/resolv.conf")
            with pytest.raises(TimeoutError):
                Root("/proc", pid, readers).place(f"{tmp_path}/etc/resolv.conf")
            found = Root("/proc", os.getpid(), readers).lines_that_matter(f"{tmp_path}/resolv.conf")
            assert found == b"nameserver 192.0.2.1"
        assert time.monotonic() - begun < ANSWER_SECONDS
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:  # once the server has exited the reader is free again
        try:
            assert Root("/proc", os.getpid(), readers).signature(f"{tmp_path}/nowhere") is None
            break
        except TimeoutError:
            assert time.monotonic() < deadline


def test_more_silent_containers_than_root_readers_stall_nothing(tmp_path: Path) -> None:
    """There are as many as allowed, and then a request fails since none is free."""
    few = RootReaders(most=2)
    places = [tmp_path / name for name in "abc"]
    begun = time.monotonic()
    with silent(places[0]) as a, silent(places[1]) as b, silent(places[2]) as c:
        for _ in range(20):
            for pid, place in zip((a, b, c), places, strict=True):
                with pytest.raises(TimeoutError):
                    Root("/proc", pid, few).signature(f"{place}/resolv.conf")
        assert len(processes(few)) == 2
        with pytest.raises(TimeoutError, match="no root reader is free"):
            Root("/proc", os.getpid(), few).signature("/etc/resolv.conf")
        few.close()
    assert time.monotonic() - begun < ANSWER_SECONDS


def test_one_request_for_command_lines_waits_and_no_other_for_it(readers: RootReaders, tmp_path: Path) -> None:
    """A process whose memory cannot be read takes one root reader, however often it is requested; views are read."""
    (tmp_path / "7").mkdir()
    os.mkfifo(tmp_path / "7" / "cmdline")
    for _ in range(3):
        with pytest.raises(TimeoutError):
            readers("commands", str(tmp_path), 0, 7)
        assert Root("/proc", os.getpid(), readers).signature("/etc/resolv.conf") is not None
    assert len(processes(readers)) == 2
    (tmp_path / "7" / "cmdline").write_bytes(b"late\0")
    wait_until(lambda: _late(readers, str(tmp_path)) == [["late"]], ANSWER_SECONDS, "the answer")


def _late(readers: RootReaders, proc: str) -> object:
    try:
        return readers("commands", proc, 0, 7)
    except TimeoutError:
        return None


def test_a_root_reader_that_is_killed_is_replaced(readers: RootReaders) -> None:
    """By the next request: one gets no answer, and the daemon has no zombie of it."""
    (first,) = processes(readers)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(TimeoutError, match="killed"):
        Root("/proc", os.getpid(), readers).signature("/etc/resolv.conf")
    assert Root("/proc", os.getpid(), readers).signature("/etc/resolv.conf") is not None
    assert processes(readers) != [first]
    assert not Path(f"/proc/{first}").exists()


def test_a_root_reader_exits_silently_when_the_daemon_is_killed(tmp_path: Path) -> None:
    """Also in the middle of a request, and with an answer that nobody has read."""
    program = """
import os, signal
from tracer.observe.root_readers import RootReaders
readers = RootReaders(timeout=0)
print(readers._readers[0]._process, flush=True)
for _ in range(2):
    try:
        readers("signature", "/proc", os.getpid(), "/etc/resolv.conf")
    except TimeoutError:
        pass
os.kill(os.getpid(), signal.SIGKILL)
"""
    with (tmp_path / "log").open("wb") as log:
        done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=log, check=False)
    assert done.returncode == -signal.SIGKILL
    wait_until(lambda: not Path(f"/proc/{int(done.stdout)}").exists(), ANSWER_SECONDS, "the root reader to exit")
    assert (tmp_path / "log").read_text() == ""


def test_a_root_reader_holds_nothing_of_the_daemons(readers: RootReaders, tmp_path: Path) -> None:
    """One socket, besides what the daemon logs to; none of the capabilities that load programs."""
    with (tmp_path / "file").open("w"):
        assert Root("/proc", os.getpid(), readers).signature("/etc/resolv.conf") is not None
        (process,) = processes(readers)
        assert sorted(os.listdir(f"/proc/{process}/fd")) == ["0", "1", "2"]
    assert os.readlink(f"/proc/{process}/fd/0").startswith("socket:")
    assert lacking(status=f"/proc/{process}/status") == list(LOADING)
    assert lacking(KEPT, status=f"/proc/{process}/status") == []


def test_closing_does_not_wait_for_an_answer(tmp_path: Path) -> None:
    """The daemon can be stopped, whatever keeps one of its root readers."""
    with silent(tmp_path / "etc") as pid:
        at_work = RootReaders()
        with pytest.raises(TimeoutError):
            Root("/proc", pid, at_work).signature(f"{tmp_path}/etc/resolv.conf")
        begun = time.monotonic()
        at_work.close()
        assert time.monotonic() - begun < ANSWER_SECONDS


def test_an_answer_that_comes_late_is_not_lost(tmp_path: Path) -> None:
    """A hundred megabytes on a slow machine: the next request has it."""
    line = b"nameserver 192.0.2.1\n"
    (tmp_path / "resolv.conf").write_bytes(line * 5_000_000)
    hasty = RootReaders(timeout=0.001)
    try:
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                found = Root("/proc", os.getpid(), hasty).lines_that_matter(f"{tmp_path}/resolv.conf")
                break
            except TimeoutError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
    finally:
        hasty.close()
    assert found.startswith(line)


def test_the_daemon_goes_on_beside_a_silent_container(tmp_path: Path) -> None:
    """Its /etc stops answering below a running daemon: others are flagged as usual, and the loss is reported."""
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
