"""A daemon that is restarted, or killed and started again: no flag is lost by it, and none is raised."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from exporter.demo.lab import NAME, NEW, NEW_ANSWER, OLD, Experiment, Program, experiment, wait_until
from tests.support.building import build
from tests.support.tracing import SHORT, Daemon, addresses, daemon

NO_RELOAD = {"RES_OPTIONS": "no-reload"}
GRACE = 2.0
TOLERANCE = 0.05
"""Seconds. Times are kept by the boot clock; what they are by the wall clock is computed each time."""
UNTIL_TOLD = """
import os, select, socket, sys
while not select.select([0], [], [], 0.05)[0]:
    socket.getaddrinfo("hat.com", None)
os.read(0, 100)
os.environ.pop("RES_OPTIONS")
os.execv(sys.executable, sys.orig_argv)
"""
"""Queries; at a line of standard input it calls exec of itself, without RES_OPTIONS, and goes on querying."""


@pytest.fixture
def lab() -> Iterator[Experiment]:
    """Give the report's experiment, with lookups that end soon without an answer."""
    with experiment() as made:
        made.world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
        yield made


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Daemon]:
    """Give a daemon of the test's own."""
    with daemon(tmp_path, grace=GRACE) as started:
        yield started


def start(lab: Experiment, *, no_reload: bool) -> Program:
    """Start a process that looks up a name every 50 ms."""
    return lab.world.start([build("getaddrinfo_loop"), NAME, "50"], NO_RELOAD if no_reload else None)


def start_with_pid(lab: Experiment, pid: int) -> Program:
    """Start a healthy process that has this pid, once its owner has exited (proc_sys_kernel(5), ns_last_pid)."""
    got: list[Program] = []

    def attempt() -> bool:
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        got[:] = [start(lab, no_reload=False)]
        if got[0].pid == pid:
            return True
        got[0].kill()
        return False

    wait_until(attempt, 10, f"pid {pid} to be given again")
    return got[0]


def seconds(moment: str) -> float:
    """Give a time of `check --json` as seconds since the Unix epoch."""
    return datetime.fromisoformat(moment).timestamp()


def view_of(check: dict[str, Any], name: str) -> dict[str, Any]:
    """Give one view of a snapshot."""
    return next(dict(view) for view in check["views"] if view["id"] == name)


def rows(check: dict[str, Any], *pids: int) -> dict[int, dict[str, Any]]:
    """Give processes of a snapshot, as far as they are in it."""
    return {row["pid"]: row for row in check["processes"] if row["pid"] in pids}


def watch(running: Daemon, period: float, *pids: int) -> list[dict[int, dict[str, Any]]]:
    """Ask for processes again and again for some seconds, from at once; gives every sample."""
    samples: list[dict[int, dict[str, Any]]] = []
    end = time.time() + period

    def sample() -> bool:
        check = running.check()
        samples.append(rows(check, *pids))
        return seconds(check["time"]) > end

    wait_until(sample, period + 5, f"{period:g} s of samples")
    return samples


def histories_agree(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Say whether two snapshots tell the same of a view's past."""
    pairs = list(zip(before["history"], after["history"], strict=True))
    same = all(
        (a["generation"], a["nameservers"]) == (b["generation"], b["nameservers"])
        and abs(seconds(a["from"]) - seconds(b["from"])) < TOLERANCE
        for a, b in pairs
    )
    return same and before["generation"] == after["generation"]


def test_a_flag_and_the_past_outlive_the_daemon(lab: Experiment, running: Daemon) -> None:
    """After SIGTERM and after SIGKILL the flag is up in the first sample, since when it was, and no other is."""
    frozen, healthy = start(lab, no_reload=True), start(lab, no_reload=False)
    running.wait_for_state(healthy.pid, "current", 5)
    running.wait_for_state(frozen.pid, "current", 5)
    lab.change()
    flag = running.wait_for_state(frozen.pid, "stale", 10)
    past = view_of(running.check(), flag["view"])

    ends: tuple[tuple[Callable[[], object], int], ...] = ((running.stop, 0), (running.kill, 1))
    for end, ticks_killed in ends:
        end()
        running.start()
        assert running.lost()["tick_killed"] == ticks_killed
        samples = watch(running, 1.5, frozen.pid, healthy.pid)
        assert {sample[frozen.pid]["state"] for sample in samples} == {"stale"}
        assert {sample[healthy.pid]["state"] for sample in samples if healthy.pid in sample} == {"current"}
        row = samples[0][frozen.pid]
        assert abs(seconds(row["stale_since"]) - seconds(flag["stale_since"])) < TOLERANCE
        assert row["view"] == flag["view"]
        assert row["last_read"]["generation"] == 1
        [use], [used] = row["nameservers"], flag["nameservers"]
        assert use["queries_since_removed"] >= used["queries_since_removed"]
        assert abs(seconds(use["first_query"]) - seconds(used["first_query"])) < TOLERANCE
        assert histories_agree(past, view_of(running.check(), flag["view"]))


def test_a_change_while_the_daemon_is_down(lab: Experiment, running: Daemon) -> None:
    """It is noticed at the start; who stays behind is flagged on what it does from then on, and nobody else is."""
    frozen, healthy = start(lab, no_reload=True), start(lab, no_reload=False)
    before = running.wait_for_state(frozen.pid, "current", 5)
    running.wait_for_state(healthy.pid, "current", 5)
    running.stop()
    lab.change()
    healthy.wait_for_line(NEW_ANSWER)
    asked = len(lab.old.queries())
    wait_until(lambda: len(lab.old.queries()) > asked + 20, 5, "queries of the old nameserver that nobody counts")
    restarted = time.time()
    running.start()

    view = running.wait_for_generation(before["view"], 2, 3)
    assert [one["nameservers"] for one in view["history"]] == [[OLD], [NEW]]
    flag = running.wait_for_state(frozen.pid, "stale", GRACE + 4)
    assert seconds(flag["stale_since"]) >= restarted + GRACE
    assert flag["last_read"]["generation"] == 1
    samples = watch(running, 1.5, healthy.pid)
    assert {sample[healthy.pid]["state"] for sample in samples} == {"current"}


def test_no_flag_passes_to_who_comes_after(lab: Experiment, running: Daemon) -> None:
    """Two flagged processes: while the daemon is down one calls exec, the other exits and its pid is used again."""
    execs = lab.world.start([sys.executable, "-I", "-c", UNTIL_TOLD], NO_RELOAD)
    ends = start(lab, no_reload=True)
    pids = execs.pid, ends.pid
    for pid in pids:
        running.wait_for_state(pid, "current", 5)
    lab.change()
    for pid in pids:
        before = running.wait_for_state(pid, "stale", 10)
    started = before["started_at"]
    running.kill()
    execs.write_line()
    ends.kill()
    successor = start_with_pid(lab, ends.pid)
    wait_until(lambda: len(lab.new.queries()) > 20, 5, "the new nameserver to be asked")
    asked = len(lab.old.queries())
    running.start()

    samples = watch(running, 2.5, *pids)
    assert {row["state"] for sample in samples for row in sample.values()} == {"current"}
    assert set(samples[-1]) == set(pids)
    for row in samples[-1].values():
        assert addresses(row) == {NEW: "current"}
        assert row["stale_since"] is None
    assert samples[-1][successor.pid]["started_at"] != started
    assert len(lab.old.queries()) == asked
