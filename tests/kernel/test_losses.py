"""Whatever is lost is counted, by reason: each loss is forced, and the number is that of what was lost.

What is only not known by name, program or unit is counted apart, and is no loss.

The rest of the machine is seen by these daemons too, and may lose something beside what a test does.
"""

from __future__ import annotations

import mmap
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporter.demo.lab import OLD, Program, World, wait_until
from tests.support.building import build
from tests.support.lab_cgroups import Cgroups
from tests.support.tracing import Daemon, daemon

MANY = 997
OTHERS = 900
"""The most that the rest of the machine may lose meanwhile."""
SECONDS = 20
PYTHON = [sys.executable, "-I", "-c"]

READ_MANY = f"for _ in range({MANY}): open('/etc/resolv.conf').close()"
ASK_MANY = f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range({MANY}):
    s.sendto(bytes(12), (f"127.99.{{number >> 8}}.{{number & 255}}", 53))
print("done", flush=True)
input()
"""
pytestmark = pytest.mark.alone

_QUERIES = re.compile(r"^resolvtrace_queries_total\{.*\} (\S+)$", re.MULTILINE)

OPEN_MANY = """
import os, sys, threading
for _ in range(int(sys.argv[2])):
    threading.Thread(target=open, args=(sys.argv[1],), daemon=True).start()
print("done", flush=True)
input()
os._exit(0)
"""
CONNECT_MANY = """
import socket, sys
listener = socket.create_server((sys.argv[1], 53), backlog=256)
clients = [socket.create_connection((sys.argv[1], 53)) for _ in range(64)]
for client in clients:
    client.sendall(bytes(14))
print("done", flush=True)
input()
"""


@contextmanager
def counting(running: Daemon, reason: str, least: int, *, most: int | None = None) -> Iterator[None]:
    """Wait after a `with` block until as much as that has been counted in it, and see that it is not much more."""
    before = counts(running)[reason]
    yield
    wait_until(lambda: counts(running)[reason] - before >= least, SECONDS, f"{least} counted for {reason}")
    running.settle()
    assert counts(running)[reason] - before <= (least + OTHERS if most is None else most)


def counts(running: Daemon) -> dict[str, int]:
    """Give what was lost, and what could not be identified, by reason."""
    return running.lost() | running.unidentified()


@dataclass
class Sent:
    """Queries of the whole machine."""

    number: int


@contextmanager
def all_sent(running: Daemon) -> Iterator[Sent]:
    """Count what anybody sends in a `with` block, by a daemon that has room for all of it; known after the block."""

    def sent() -> int:
        running.settle()
        counted = sum(float(value) for value in _QUERIES.findall(running.metrics()))
        return int(counted) + running.lost()["tcp_unattributed"]

    total = Sent(-sent())
    yield total
    total.number += sent()


def queries_of(running: Daemon, pid: int) -> int:
    """Give how many queries of a process were counted: none of one that is not in the list."""
    row = running.row(pid)
    return sum(use["queries"] for use in row["nameservers"]) if row else 0


@contextmanager
def program(argv: Sequence[str | Path], start: Callable[..., Program] | None = None) -> Iterator[Program]:
    """Run a program in a `with` block; it prints `done` when it is."""
    running = start(argv) if start else Program(argv, os.environ)
    try:
        running.wait_for_line("done")
        yield running
    finally:
        running.stop()


def run(*argv: str | Path) -> None:
    """Run a program until it exits."""
    subprocess.run(argv, check=True, timeout=SECONDS, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Give a daemon of the usual size."""
    with daemon(tmp_path_factory.mktemp("usual")) as started:
        yield started


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Give one with room for little."""
    capacity = {"queries": 64, "connections": 8, "images": 2, "calls": 8, "ring_pages": 1}
    with daemon(tmp_path_factory.mktemp("small"), capacity=capacity) as started:
        yield started


def test_every_reason_is_exported_from_the_first_scrape(running: Daemon) -> None:
    """At 0, so that an alert on the increase sees the first loss; and the manual names each."""
    manual = (Path(__file__).parents[2] / "deploy/man/resolvtrace.1").read_text()
    metrics = running.metrics()
    assert not running.lost().keys() & running.unidentified().keys()
    for name, reasons in (("lost", running.lost()), ("unidentified", running.unidentified())):
        assert reasons
        for reason in reasons:
            assert f'resolvtrace_{name}_total{{reason="{reason}"}} ' in metrics
            assert f".B {reason}\n" in manual


def test_a_full_ring(small: Daemon) -> None:
    """Of records that come while the daemon stands still, what finds no room."""
    fits = mmap.PAGESIZE // 264
    with counting(small, "ring_full", MANY - fits), small.held():
        run(*PYTHON, READ_MANY)


def test_full_maps_of_queries(small: Daemon, running: Daemon) -> None:
    """What was counted and what was lost are together what was sent."""
    with all_sent(running) as sent, ExitStack() as stack:
        before = small.lost()["queries_full"]
        with small.held():
            asking = stack.enter_context(program([*PYTHON, ASK_MANY]))
            running.settle()
        small.settle()
        lost = small.lost()["queries_full"] - before
        counted = queries_of(small, asking.pid)
    others = sent.number - MANY
    assert counted <= 64
    assert MANY <= counted + lost <= MANY + others


def test_a_full_map_of_processes(tmp_path: Path) -> None:
    """Those that ran before, from the start; what comes then, with each thing that it does."""
    number = len([name for name in os.listdir("/proc") if name.isdigit()])
    with daemon(tmp_path, capacity={"processes": 16}) as small:
        assert small.lost()["processes_full"] >= number // 2  # many may have exited meanwhile
        with counting(small, "processes_full", 23, most=100 * OTHERS):
            run(build("send_queries"), "sendto", "23", "127.23.53.78")
        assert (
            "processes_full"
            in subprocess.run(
                [str(Path(sys.executable).with_name("resolvtrace")), "check", "--socket", small.socket],
                check=False,
                capture_output=True,
                text=True,
            ).stdout
        )


def test_forgotten_connections(small: Daemon, running: Daemon) -> None:
    """Segments of connections that had to make room, and those that were counted, are together what was sent."""
    with World([OLD], f"nameserver {OLD}\n") as world, all_sent(running) as sent:
        before = small.lost()
        with program([*PYTHON, CONNECT_MANY, OLD], world.start) as connected:
            small.settle()
            # What others send may find the map of queries full, and so may these.
            lost = sum(small.lost()[reason] - before[reason] for reason in ("tcp_unattributed", "queries_full"))
            counted = queries_of(small, connected.pid)
    others = sent.number - 64
    assert counted <= 8
    assert 64 <= counted + lost <= 64 + others


def test_a_path_that_is_not_in_memory_yet(running: Daemon) -> None:
    """A program in the kernel cannot bring a page in; it looks again when the call has done that: nothing is lost."""
    before = running.lost()["user_memory"]
    with program([build("unread_path"), "lookup"]) as asking:
        row = running.wait_for(asking.pid, lambda row: bool(row["nameservers"]), SECONDS, "its queries")
    assert row["last_read"] is not None
    assert row["lookup_path"] == "nss"
    assert running.lost()["user_memory"] == before


def test_a_full_map_of_calls(small: Daemon, tmp_path: Path) -> None:
    """More threads than there is room for are inside an open, which no writer lets end; killed, they make room."""
    os.mkfifo(tmp_path / "resolv.conf")
    before = small.lost()["calls_full"]
    with program([*PYTHON, OPEN_MANY, str(tmp_path / "resolv.conf"), "23"]):
        wait_until(lambda: small.lost()["calls_full"] - before >= 23 - 8, SECONDS, "15 to be lost")
    with program([build("unread_path"), "lookup"]) as asking:
        row = small.wait_for(asking.pid, lambda row: bool(row["nameservers"]), SECONDS, "its queries")
    assert row["last_read"] is not None


def test_a_path_that_is_not_in_memory_any_more(running: Daemon, tmp_path: Path) -> None:
    """Taken away while the call was under way: one that may have been an open of resolv.conf."""
    os.mkfifo(tmp_path / "resolv.conf")
    with counting(running, "user_memory", 1), program([build("unread_path"), "vanishing", tmp_path / "resolv.conf"]):
        pass


def test_a_process_that_is_gone(running: Daemon) -> None:
    """Before /proc was read, and its cgroup too: nobody knows its unit any more."""
    with Cgroups() as cgroups, counting(running, "process_gone", 1), running.held():
        run(*cgroups.within("gone.service", [str(build("send_queries")), "sendto", "2", "127.23.53.79"]))
        (cgroups.root / "gone.service").rmdir()


def test_a_process_whose_program_is_forgotten(small: Daemon) -> None:
    """It is gone, and many others have been executed since: on each processor, which has a part of the map's room."""
    with counting(small, "process_gone", 1), small.held():
        run(build("send_queries"), "sendto", "2", "127.23.53.80")
        for processor in os.sched_getaffinity(0):
            for _ in range(10):
                run("taskset", "--cpu-list", str(processor), "true")


def test_a_process_that_is_there_and_gone(running: Daemon) -> None:
    """Before /proc was read; but the kernel side kept what there is to know: it is known."""
    before = running.unidentified()["process_gone"]
    with running.held():
        run(build("send_queries"), "sendto", "2", "127.23.53.81")
    running.settle()
    assert running.unidentified()["process_gone"] == before


def test_a_view_that_nobody_has_any_more(running: Daemon) -> None:
    """A process read a resolv.conf of its own, and is gone with the mount namespace."""
    own = 'mount -t tmpfs none /etc && echo "nameserver 127.23.53.82" >/etc/resolv.conf && exec cat /etc/resolv.conf'
    with counting(running, "view_gone", 1), running.held():
        run("unshare", "--mount", "--propagation", "private", "sh", "-c", own)


def test_processes_that_proc_does_not_show(tmp_path: Path) -> None:
    """Mounted with hidepid=ptraceable, for a daemon that may not look beyond it."""
    hidden = Daemon(tmp_path)
    without = "--bounding-set=-sys_ptrace,-sys_admin"
    mounts = (
        "test -d /sys/kernel/tracing/events || mount -t tracefs tracefs /sys/kernel/tracing; "
        'mount -t proc -o hidepid=ptraceable proc /proc && exec "$@"'
    )
    alone = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mounts, "sh", "setpriv", without]
    hidden._command = [*alone, *hidden._command]
    try:
        hidden.start()
        with counting(hidden, "process_hidden", 1), program([build("unread_path"), "lookup"]) as asking:
            hidden.wait_for(asking.pid, lambda row: bool(row["nameservers"]), SECONDS, "its queries")
    finally:
        hidden.process.terminate()
        hidden.process.wait(10)
