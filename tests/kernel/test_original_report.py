"""The original report's experiments, with the real daemon watching: who is flagged, when, and what clears it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.demo.lab import NAME, NEW, NEW_ANSWER, OLD, Experiment, Program, experiment, wait_until
from tests.support.building import build
from tests.support.tracing import SHORT, Daemon, addresses, daemon

NO_RELOAD = {"RES_OPTIONS": "no-reload"}
GRACE = 2.0
"""Seconds; the longest lookup under a file that lists one nameserver, with the options of SHORT, is no longer."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Give a daemon that all experiments share."""
    with daemon(tmp_path_factory.mktemp("report"), grace=GRACE) as started:
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
def own_name(tmp_path: Path) -> Path:
    """Give getaddrinfo_loop under a name that no other process on this machine has, to know it by in /metrics."""
    link = tmp_path / f"report-{os.getpid()}"
    link.symlink_to(build("getaddrinfo_loop"))
    return link


def start_res_query(lab: Experiment, interval_ms: int, reinit_every: int = 0) -> Program:
    """Start the loop that queries without NSS and, like the glibc of the report, reads the file at res_init() alone."""
    loop = build("res_query_loop", "-lresolv")
    return lab.world.start([loop, NAME, str(interval_ms), str(reinit_every)], NO_RELOAD)


def seconds(moment: str) -> float:
    """Give a time of `check --json` as seconds since the Unix epoch."""
    return datetime.fromisoformat(moment).timestamp()


def flagged(running: Daemon, comm: str) -> float:
    """Give how many processes of a name /metrics says are stale."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(running.metrics())
        for sample in family.samples
        if sample.name == "resolvtrace_stale_resolver" and sample.labels["comm"] == comm
    )


def states_until(running: Daemon, pid: int, done: Callable[[], object], timeout: float) -> set[str]:
    """Ask for a process's state again and again until something is `done`; gives every state that was seen."""
    seen: set[str] = set()

    def sample() -> object:
        if row := running.row(pid):
            seen.add(row["state"])
        return done()

    wait_until(sample, timeout, f"the end of watching {pid}")
    return seen


def test_getaddrinfo_that_read_once_is_flagged_in_time_and_cleared_by_its_restart(
    lab: Experiment, running: Daemon, own_name: Path
) -> None:
    """Both flag and clearance come within 3 s of the evidence, in `check` and in /metrics."""
    command: list[str | Path] = [own_name, NAME, "50"]
    program = lab.world.start(command, NO_RELOAD)
    before = running.wait_for_state(program.pid, "current", 5)
    assert before["lookup_path"] == "nss"
    assert before["last_read"]["generation"] == 1

    lab.change()
    view = running.wait_for_generation(before["view"], 2, 3)
    grace_over = seconds(view["changed_at"]) + GRACE
    wait_until(lambda: time.time() > grace_over, 2 * GRACE, "the grace to be over")
    asked = len(lab.old.queries())
    wait_until(lambda: len(lab.old.queries()) >= asked + 2, 2, "two queries after the grace")
    enough = time.time()
    row = running.wait_for_state(program.pid, "stale", 5)
    assert time.time() - enough <= 3
    assert grace_over <= seconds(row["stale_since"]) <= time.time()
    assert flagged(running, own_name.name) == 1

    assert addresses(row) == {OLD: "stale"}
    assert row["lookup_path"] == "nss"
    assert row["last_read"]["generation"] == 1
    assert not lab.new.queries()
    assert str(program.pid) in row["advice"]
    assert "nscd" in row["advice"]
    assert "cannot help" not in row["advice"]

    program.stop()
    restarted = lab.world.start(command, NO_RELOAD)
    since = time.time()
    running.wait_until_gone(program.pid, 5)
    wait_until(lambda: not flagged(running, own_name.name), 5, "no flag in /metrics")
    assert time.time() - since <= 3
    after = running.wait_for_state(restarted.pid, "current", 5)
    assert addresses(after) == {NEW: "current"}


def test_res_query_is_stale_until_its_next_res_init(lab: Experiment, running: Daemon) -> None:
    """The flag goes up between the change and the re-init, and the re-init followed by a query takes it down."""
    # The eighth query and its res_init() come 6.3 s after the first: the grace, two queries and a tick fit before.
    program = start_res_query(lab, 900, reinit_every=8)
    before = running.wait_for_state(program.pid, "current", 5)
    assert before["lookup_path"] == "direct"
    lab.change()

    stale = running.wait_for_state(program.pid, "stale", 8)
    assert "reinit" not in program.output()
    assert addresses(stale) == {OLD: "stale"}
    assert stale["lookup_path"] == "direct"
    assert stale["last_read"]["generation"] == 1

    program.wait_for_line("reinit", 8)
    # The next query comes 0.9 s later, and is counted at the end of its tick.
    cured = running.wait_for_state(program.pid, "current", 4)
    assert addresses(cured) == {OLD: "retired", NEW: "current"}
    assert cured["last_read"]["generation"] == 2
    assert cured["lookup_path"] == "direct"
    assert cured["stale_since"] is None


def test_nscd_helps_getaddrinfo_and_not_res_query(lab: Experiment, running: Daemon) -> None:
    """With nscd the one moves by itself, and never is flagged; the other is, and its advice says nscd is no help."""
    loop = lab.world.start([build("getaddrinfo_loop"), NAME, "20"], NO_RELOAD)
    running.wait_for(loop.pid, lambda row: bool(row["lookup_path"] == "nss"), 5, "it to ask for itself")
    nscd = lab.world.start_nscd()
    running.wait_for(loop.pid, lambda row: bool(row["lookup_path"] == "nscd"), 10, "it to ask nscd")
    res_query = start_res_query(lab, 50)
    running.wait_for_state(res_query.pid, "current", 5)
    running.wait_for_state(nscd.pid, "current", 5)

    lab.change()
    stale: list[dict[str, object]] = []

    def is_flagged() -> bool:
        row = running.row(res_query.pid)
        stale[:] = [row] if row and row["state"] == "stale" else []
        return bool(stale)

    assert states_until(running, loop.pid, is_flagged, 10) <= {"current", "quiet"}
    assert stale[0]["lookup_path"] == "direct"
    assert "bypassing nscd" in str(stale[0]["advice"])

    loop.wait_for_line(NEW_ANSWER)
    row = running.row(loop.pid)
    assert row
    assert row["lookup_path"] == "nscd"
    assert addresses(row) == {OLD: "quiet"}
    # nscd re-reads the file: it is judged like any process, and is well.
    judged = running.row(nscd.pid)
    assert judged
    assert addresses(judged) == {OLD: "retired", NEW: "current"}


def test_a_client_of_nscd_from_its_start_is_seen_and_not_flagged(lab: Experiment, running: Daemon) -> None:
    """It never opens resolv.conf, which nscd follows for it."""
    lab.world.start_nscd()
    loop = lab.world.start([build("getaddrinfo_loop"), NAME, "20"], NO_RELOAD)
    frozen = start_res_query(lab, 50)
    running.wait_for_state(frozen.pid, "current", 5)
    running.wait_for(loop.pid, lambda row: bool(row["lookup_path"] == "nscd"), 15, "it to be known as nscd's client")
    lab.change()

    def is_flagged() -> bool:
        row = running.row(frozen.pid)
        return bool(row and row["state"] == "stale")

    assert states_until(running, loop.pid, is_flagged, 10) == {"current"}
    loop.wait_for_line(NEW_ANSWER)
    row = running.row(loop.pid)
    assert row
    assert (row["lookup_path"], row["nameservers"], row["last_read"]) == ("nscd", [], None)


def test_nscd_itself_is_flagged_if_it_read_once(lab: Experiment, running: Daemon) -> None:
    """An nscd that does not re-read the file keeps all its clients on the old nameserver; the flag is its own."""
    nscd = lab.world.start_nscd(NO_RELOAD)
    loop = lab.world.start([build("getaddrinfo_loop"), NAME, "20"], NO_RELOAD)
    running.wait_for_state(nscd.pid, "current", 5)
    lab.change()
    row = running.wait_for_state(nscd.pid, "stale", 10)
    assert row["comm"] == "nscd"
    assert addresses(row) == {OLD: "stale"}
    client = running.row(loop.pid)
    assert client is None or client["state"] == "current"
    assert NEW_ANSWER not in loop.output()
