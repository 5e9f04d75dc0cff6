"""What the service manager hears of the real daemon, and what the daemon may do once it is ready."""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.demo.lab import wait_until
from tests.support.tracing import Daemon, daemon

WAIT = 10.0
WATCHDOG_SECONDS = 0.8
CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE = 1 << 2, 1 << 19


class Manager:
    """Stands in for systemd: it receives the notifications, a datagram each."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))

    def next(self, seconds: float = WAIT) -> str | None:
        """Take the next message; None if none came in time."""
        return self.socket.recv(4096).decode() if select.select([self.socket], [], [], seconds)[0] else None

    def wait_for(self, begin: str) -> str:
        """Take messages up to one that begins so."""
        while (message := self.next()) is not None:
            if message.startswith(begin):
                return message
        raise AssertionError(f"nothing that begins with {begin!r} was sent")


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """Be the manager of what is started then."""
    path = tmp_path / "notify"
    own = Manager(path)
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    monkeypatch.setenv("WATCHDOG_USEC", str(int(WATCHDOG_SECONDS * 1_000_000)))
    yield own
    own.socket.close()


@pytest.fixture
def running(tmp_path: Path, manager: Manager) -> Iterator[Daemon]:  # noqa: ARG001 - it is there first
    """Give a daemon."""
    with daemon(tmp_path) as started:
        yield started


def test_it_says_that_it_is_ready_and_how_it_fares(running: Daemon, manager: Manager) -> None:
    """READY comes first, when it is at work; STATUS in words."""
    assert manager.next() == "READY=1"
    assert running.check()["health"]["probes"]
    assert manager.wait_for("STATUS=").endswith(" tracked")


def test_it_says_that_it_reads_its_configuration_again(running: Daemon, manager: Manager) -> None:
    """And when that is done, right or wrong."""
    manager.wait_for("READY=1")
    for text in ("[verdict]\nmin_queries = 3\n", "rubbish"):
        (running.directory / "resolvtrace.toml").write_text(text)
        running.process.send_signal(signal.SIGHUP)
        assert "MONOTONIC_USEC=" in manager.wait_for("RELOADING=1")
        manager.wait_for("READY=1")


def test_it_gives_signs_of_life_as_long_as_its_loop_runs(running: Daemon, manager: Manager) -> None:
    """One that hangs gives none: the manager restarts it."""
    for _ in range(3):
        manager.wait_for("WATCHDOG=1")
    running.process.send_signal(signal.SIGSTOP)
    try:
        while manager.next(0) is not None:  # what was sent before
            pass
        assert manager.next(2 * WATCHDOG_SECONDS) is None
    finally:
        running.process.send_signal(signal.SIGCONT)
    manager.wait_for("WATCHDOG=1")


def test_it_says_that_it_stops(running: Daemon, manager: Manager) -> None:
    """On SIGTERM."""
    running.process.terminate()
    manager.wait_for("STOPPING=1")
    assert running.process.wait(WAIT) == 0


def test_what_loading_needed_is_given_up(running: Daemon) -> None:
    """By every thread, and for good: neither CAP_BPF nor another but those for reading other processes' files."""
    tasks = Path(f"/proc/{running.process.pid}/task")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as queries:
        queries.sendto(b"x" * 12, ("127.0.0.1", 53))
    wait_until(lambda: len(list(tasks.iterdir())) > 1, 10, "the thread that waits in a tick")
    for task in tasks.iterdir():
        lines = (task / "status").read_text().splitlines()
        status = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
        for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):  # the latter two: what it executes has no more either
            assert int(status[kind], 16) == CAP_DAC_READ_SEARCH | CAP_SYS_PTRACE
        assert status["NoNewPrivs"] == "1"


def test_without_a_manager_nothing_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that is gone does no harm."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    monkeypatch.setenv("WATCHDOG_USEC", "rubbish")
    with daemon(tmp_path) as started:
        started.settle()
        assert started.process.poll() is None
    assert os.path.lexists(tmp_path / "state" / "state.json")
