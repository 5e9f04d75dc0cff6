"""A process that reads resolv.conf once and forks a child for each job: the flag is the parent's, and it stays up."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.demo.lab import NAME, NEW, NEW_ANSWER, OLD, OLD_ANSWER, Experiment, Program, experiment, wait_until
from tests.support.building import build
from tests.support.tracing import SHORT, Daemon, addresses, daemon

NO_RELOAD = {"RES_OPTIONS": "no-reload"}
GRACE = 2.0
PARENT_WITH_CHILDREN = """
import os, socket, subprocess, sys, time
subprocess.Popen(sys.argv[1:])
own = {name: value for name, value in os.environ.items() if name != "RES_OPTIONS"}
subprocess.Popen(sys.argv[1:], env=own)
while True:
    socket.getaddrinfo("hat.com", None)
    time.sleep(0.05)
"""
"""Asks, and starts a program twice by fork and exec: with its own environment, and without RES_OPTIONS."""


PARENT_OF_OTHER_PROGRAMS = """
import socket, subprocess, sys, time
socket.getaddrinfo("hat.com", None)
while True:
    subprocess.run(sys.argv[1:], check=True)
    time.sleep(0.05)
"""
"""Asks once, and from then on starts a program again and again."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Give a daemon that all tests share."""
    with daemon(tmp_path_factory.mktemp("fork"), grace=GRACE) as started:
        yield started


@pytest.fixture(scope="module")
def worlds() -> Iterator[ExitStack]:
    """Keep every world until the end: the kernel gives the numbers of one that is gone to the next."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def lab(worlds: ExitStack) -> Iterator[Experiment]:
    """Give the report's experiment, with lookups that end soon without an answer."""
    made = worlds.enter_context(experiment())
    made.world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
    yield made
    for program in made.world._programs:
        program.kill()


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """Give fork_jobs under a name that no other process on this machine has, to know it by in /metrics."""
    link = tmp_path / f"jobs-{os.getpid()}"
    link.symlink_to(build("fork_jobs", "-lresolv"))
    return link


def flagged(running: Daemon, comm: str) -> float:
    """Give how many processes of a name /metrics says are stale."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(running.metrics())
        for sample in family.samples
        if sample.name == "resolvtrace_stale_resolver" and sample.labels["comm"] == comm
    )


def seconds(moment: str) -> float:
    """Give a time of `check --json` as seconds since the Unix epoch."""
    return datetime.fromisoformat(moment).timestamp()


def rows_until(
    running: Daemon, view: str, done: Callable[[], object], timeout: float
) -> list[dict[int, dict[str, Any]]]:
    """Ask for the processes of a view again and again until something is `done`; gives every sample."""
    samples: list[dict[int, dict[str, Any]]] = []

    def sample() -> object:
        samples.append({row["pid"]: row for row in running.check()["processes"] if row["view"] == view})
        return done()

    wait_until(sample, timeout, "the end of watching")
    return samples


def wait_for_jobs(parent: Program, number: int) -> None:
    """Wait until a number of jobs more have been begun."""
    begun = parent.output().count("job")
    wait_until(lambda: parent.output().count("job") >= begun + number, 5, f"{number} jobs of {parent}")


def past(running: Daemon, moment: float) -> Callable[[], bool]:
    """Give the question whether the daemon's snapshot is of later than a moment."""
    return lambda: seconds(running.check()["time"]) > moment


def test_the_parent_of_short_jobs_is_flagged_in_every_sample(lab: Experiment, running: Daemon, jobs: Path) -> None:
    """It sends no query itself after the change, and its children exit at once: the flag is there all the same."""
    parent = lab.world.start([jobs, NAME, "60"])
    before = running.wait_for(parent.pid, lambda row: bool(row["workers"]), 5, "workers to be seen")
    assert before["state"] == "current"
    lab.change()
    flag = running.wait_for_state(parent.pid, "stale", 8)
    assert flag["last_read"]["generation"] == 1
    assert flag["owner"] == parent.pid
    assert not flag["worker"]

    samples, in_metrics = [], []
    for _ in range(50):
        # No faster than the jobs go: fifty samples are then some seconds of them.
        wait_for_jobs(parent, 1)
        samples.append({row["pid"]: row for row in running.check()["processes"] if row["view"] == before["view"]})
        in_metrics.append(flagged(running, jobs.name))
    assert [sample[parent.pid]["state"] for sample in samples] == ["stale"] * 50
    since = [seconds(sample[parent.pid]["stale_since"]) for sample in samples]
    assert max(since) - min(since) < 0.01
    # Workers, if one lived long enough to be seen, are left out: the owner stands for them.
    assert in_metrics == [1.0] * 50
    workers = {pid: row for sample in samples for pid, row in sample.items() if row["worker"]}
    assert {row["owner"] for row in workers.values()} <= {parent.pid}

    [use] = [use for use in samples[-1][parent.pid]["nameservers"] if use["address"] == OLD]
    assert use["queries"] == 1
    assert use["worker_queries"] >= 100
    assert samples[-1][parent.pid]["workers"] >= 50
    assert not lab.new.queries()

    # Between jobs: no query at all for more than two ticks.
    parent.send_signal(signal.SIGSTOP)
    silent = rows_until(running, before["view"], past(running, time.time() + 2.5), 10)
    assert {sample[parent.pid]["state"] for sample in silent} == {"stale"}
    assert flagged(running, jobs.name) == 1

    parent.kill()
    running.wait_until_gone(parent.pid, 3)
    assert flagged(running, jobs.name) == 0


def test_the_heir_of_a_reader_that_exited_is_flagged(lab: Experiment, running: Daemon, jobs: Path) -> None:
    """`sendmail -bd` reads, forks and exits: what it read is what its child goes by from then on."""
    reader = lab.world.start([jobs, NAME, "100", "daemon"])
    heir = int(reader.wait_for_line("parent").split()[1])
    reader.wait()
    assert heir != reader.pid
    before = running.wait_for(heir, lambda row: bool(row["workers"]), 5, "workers to be seen")
    assert running.row(reader.pid) is None
    assert before["last_read"]["generation"] == 1
    assert seconds(before["last_read"]["at"]) < seconds(before["started_at"])
    lab.change()

    flag = running.wait_for_state(heir, "stale", 8)
    assert flag["last_read"]["generation"] == 1
    assert abs(seconds(flag["last_read"]["at"]) - seconds(before["last_read"]["at"])) < 0.01
    assert (flag["owner"], flag["worker"]) == (heir, False)
    assert addresses(flag) == {OLD: "stale"}
    samples = rows_until(running, before["view"], past(running, time.time() + 1), 10)
    assert {sample[heir]["state"] for sample in samples} == {"stale"}
    assert flagged(running, jobs.name) == 1


def test_a_job_that_execs_starts_afresh(lab: Experiment, running: Daemon, jobs: Path) -> None:
    """What a child queries after exec, whichever nameserver, says nothing of its parent, which queries nothing."""
    parent = lab.world.start([jobs, NAME, "50", "exec"])
    # Its children never read the file, and query the old nameserver once each.
    query = [str(build("send_queries")), "sendto", "1", OLD]
    other = lab.world.start([sys.executable, "-I", "-c", PARENT_OF_OTHER_PROGRAMS, *query], NO_RELOAD)
    running.wait_for_state(other.pid, "current", 5)
    view = running.wait_for_state(parent.pid, "current", 5)["view"]
    lab.change()
    removed = seconds(running.wait_for_generation(view, 2, 3)["changed_at"])
    parent.wait_for_line(f"A {NEW_ANSWER}")
    samples = rows_until(running, view, past(running, removed + GRACE + 1.5), 10)
    rows = [row for sample in samples for row in sample.values()]
    assert {row["owner"] == row["pid"] for row in rows} == {True}
    for pid in (parent.pid, other.pid):
        assert {sample[pid]["state"] for sample in samples} <= {"current", "quiet"}
        assert [use["worker_queries"] for use in samples[-1][pid]["nameservers"]] == [0]
    assert "stale" not in {row["state"] for row in rows}


def test_a_child_that_execs_goes_by_itself_beside_a_flagged_parent(lab: Experiment, running: Daemon) -> None:
    """Of two children that exec, the one that read the file once is flagged for itself; the other is not."""
    parent = lab.world.start(
        [sys.executable, "-I", "-c", PARENT_WITH_CHILDREN, build("getaddrinfo_loop"), NAME, "50"], NO_RELOAD
    )
    view = running.wait_for_state(parent.pid, "current", 5)["view"]

    def children() -> list[int]:
        return sorted(row["pid"] for row in running.check()["processes"] if row["view"] == view)[1:]

    wait_until(lambda: len(children()) == 2, 5, "two children")
    frozen, healthy = children()
    lab.change()
    parent.wait_for_line(NEW_ANSWER)
    assert OLD_ANSWER in parent.output()

    def flags_are_up() -> bool:
        states = {row["pid"]: row["state"] for row in running.check()["processes"]}
        return states.get(parent.pid) == states.get(frozen) == "stale"

    rows_until(running, view, flags_are_up, 10)
    samples = rows_until(running, view, past(running, time.time() + 1.5), 10)
    for sample in samples:
        assert {pid: row["owner"] for pid, row in sample.items()} == {pid: pid for pid in (parent.pid, frozen, healthy)}
        assert {pid: row["state"] for pid, row in sample.items()} == {
            parent.pid: "stale",
            frozen: "stale",
            healthy: "current",
        }
    assert addresses(samples[-1][healthy]) == {OLD: "retired", NEW: "current"}
    assert samples[-1][healthy]["last_read"]["generation"] == 2
