"""One daemon through all that a machine may do at once: storms of forks, of changes, of clients, with little memory.

It has 96 MB and no more descriptors than it requires. A healthy process and a frozen one are there throughout: the
one must never be flagged, the other must be when the file has come to rest.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporter.demo.lab import NAME, NEW, NEW_ANSWER, OLD, Experiment, Program, experiment, wait_until
from exporter.descriptors import LEAST
from tests.support.building import build
from tests.support.lab_memory import Limited, memory_limit
from tests.support.tracing import RESOLVTRACE, SHORT, Daemon

pytestmark = pytest.mark.alone

MEMORY = 96 << 20
CLIENTS = 500
QUERIES = 23
CHANGES_A_SECOND = 1000
SECONDS = 60
SECONDS_OF_CHANGES = pytest.mark.parametrize("seconds", [10, pytest.param(60, marks=pytest.mark.slow)])


@dataclass(frozen=True)
class Scene:
    """A daemon with little, and whom it watches."""

    lab: Experiment
    daemon: Daemon
    limited: Limited
    healthy: Program
    frozen: Program

    def counts_exactly(self, address: str) -> None:
        """See that it still counts each query of a process, and answers."""
        sender = self.lab.world.start([build("send_queries"), "sendto", str(QUERIES), address], {"STAY": "1"})
        sender.wait_for_line("done", SECONDS)
        row = self.daemon.wait_for(sender.pid, lambda row: bool(row["nameservers"]), SECONDS, "its queries")
        self.daemon.settle()
        row = self.daemon.row(sender.pid) or {}
        assert [use["queries"] for use in row["nameservers"]] == [QUERIES]
        sender.stop()

    def is_well(self) -> None:
        """See that nothing went wrong that should not."""
        assert self.daemon.process.poll() is None
        assert self.limited.killed() == 0
        assert "Traceback" not in self.daemon.log()
        assert "level=error" not in self.daemon.log()
        row = self.daemon.row(self.healthy.pid)
        assert row is not None
        assert row["stale_since"] is None
        lost = self.daemon.lost()
        assert (lost["ring_full"], lost["queries_full"], lost["processes_full"]) == (0, 0, 0)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Give all of it."""
    with ExitStack() as stack:
        lab = stack.enter_context(experiment())
        lab.world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
        limited = stack.enter_context(memory_limit(MEMORY))
        one = Daemon(tmp_path_factory.mktemp("storms"), grace=1.0)
        one._command = limited.within("prlimit", f"--nofile={LEAST}:{LEAST}", *one._command)
        healthy, frozen = (
            lab.world.start([build("getaddrinfo_loop"), NAME, "100"], {"RES_OPTIONS": options})
            for options in ("", "no-reload")
        )
        one.start()
        stack.callback(one.stop)
        for program in (healthy, frozen):
            one.wait_for_state(program.pid, "current", SECONDS)
        yield Scene(lab, one, limited, healthy, frozen)


def test_it_starts_with_little(scene: Scene) -> None:
    """The compiler fits, and it counts."""
    scene.counts_exactly(NEW)
    scene.is_well()


def test_a_storm_of_forks(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    """As fast as the machine can, for ten seconds."""
    storm = scene.lab.world.start([build("fork_storm"), "10"])
    line = storm.wait_for_line("done", SECONDS)
    with capsys.disabled():
        print(f"\n{line.split()[1]} forks")  # noqa: T201 -- a figure to see
    scene.counts_exactly(NEW)
    scene.is_well()


def test_a_storm_of_clients(scene: Scene) -> None:
    """Five hundred clients on the socket and on the port that never send a request: nothing else suffers."""
    host, _, port = str(scene.daemon.address).rpartition(":")
    before = scene.daemon.log().count("event=changed ")
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            for family, address in ((socket.AF_UNIX, scene.daemon.socket), (socket.AF_INET, (host, int(port)))):
                client = stack.enter_context(socket.socket(family))
                client.settimeout(5)
                client.connect_ex(address)
        assert scene.daemon.metrics()
    wait_until(lambda: answers(scene.daemon), SECONDS, "an answer")
    scene.counts_exactly(NEW)
    scene.is_well()
    assert scene.daemon.log().count("event=changed ") == before


def answers(one: Daemon) -> bool:
    """Whether the daemon answers now, and does not say that there are too many."""
    try:
        return bool(one.check())
    except AssertionError:
        return False


@SECONDS_OF_CHANGES
def test_a_storm_of_changes(scene: Scene, seconds: int, capsys: pytest.CaptureFixture[str]) -> None:
    """A thousand a second: the healthy process follows and is never flagged, the frozen one is when it is over."""
    begun, changes = time.monotonic(), 0
    while (passed := time.monotonic() - begun) < seconds:
        if changes >= passed * CHANGES_A_SECOND:
            time.sleep(0.001)  # not to wait for something, but to keep to the rate
            continue
        changes += 1
        scene.lab.world.write_resolv_conf(f"nameserver {OLD if changes % 2 else NEW}\n{SHORT}")
    scene.lab.world.write_resolv_conf(f"nameserver {NEW}\n{SHORT}")
    already = len(scene.healthy.lines())
    scene.healthy.wait_for_line(NEW_ANSWER, SECONDS, already)
    flagged = scene.daemon.wait_for_state(scene.frozen.pid, "stale", SECONDS)
    (view,) = (one for one in scene.daemon.check()["views"] if one["id"] == flagged["view"])
    assert view["nameservers"] == [NEW]
    assert len(view["history"]) <= 64
    scene.daemon.wait_for_state(scene.healthy.pid, "current", SECONDS)
    scene.is_well()
    assert changes > 100 * seconds
    with capsys.disabled():
        print(f"\n{changes} changes in {passed:.1f} s")  # noqa: T201 -- how far the machine kept to the rate


def test_too_few_descriptors_are_reported(tmp_path: Path) -> None:
    """A limit that leaves none for /proc is refused; one that may be raised is raised."""
    flags = ("--socket", f"{tmp_path}/socket", "--state-dir", f"{tmp_path}/state", "--web.listen-address=127.0.0.1:0")
    refused = subprocess.run(
        ["prlimit", "--nofile=256:256", RESOLVTRACE, "daemon", *flags], check=False, capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert re.fullmatch(r"resolvtrace daemon: the limit of open files is 256, .*LimitNOFILE=1024.*\n", refused.stderr)
    asking = (
        "import resource; from exporter.descriptors import require_descriptors; require_descriptors(); "
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    raised = subprocess.run(
        ["prlimit", "--nofile=64:1024", sys.executable, "-c", asking], check=True, capture_output=True, text=True
    )
    assert int(raised.stdout) == LEAST
