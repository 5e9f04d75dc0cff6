"""Programs whose resolv.conf moves from one nameserver to another, both of which answer."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from exporter.demo.lab import NEW, OLD
from tests.field.program_set import ProgramSet, ProgramSpec
from tests.field.stage import Stage, assert_says, of_pair
from tests.support.tracing import Daemon

LOOPBACK = "127.0.0.1"
EARLY, LATE, CONFIGURED = "127.0.0.7", "127.0.0.8", "127.0.0.9"
JAIL, BARE_JAIL = "/run/jail", "/run/jail-without-etc"
HELPED = {
    "helped": ProgramSpec("helped"),
    "helped-once": ProgramSpec("helped", ("once",)),
    "helped-by-parent": ProgramSpec("helped", ("parent",), by_child=True),
    "helped-once-by-parent": ProgramSpec("helped", ("parent", "once"), by_child=True),
    "helped-in-jail": ProgramSpec("helped", ("jail=/run/empty",)),
    "helped-once-in-jail": ProgramSpec("helped", ("jail=/run/empty", "once")),
    "helped-by-parent-in-jail": ProgramSpec("helped", ("jail=/run/empty", "parent"), by_child=True),
}
JAILED = {
    f"jailed-{function}-{kind}{'-late' if not before else ''}": ProgramSpec(
        "jailed", (jail, function, str(before)), nameserver=LOOPBACK
    )
    for function in ("getaddrinfo", "gethostbyname")
    for kind, jail in (("etc", JAIL), ("bare", BARE_JAIL))
    for before in (2, 0)
}
USERS = {
    "user-once": ProgramSpec("user_first", queries=10),
    "user-again": ProgramSpec("user_first", ("again",), queries=10),
    "user-hosts": ProgramSpec("user_first", ("hosts",), queries=10),
    "user-again-hosts": ProgramSpec("user_first", ("again", "hosts"), queries=10),
}
MASTERS = {
    "master": ProgramSpec("preforked", ("1",), by_child=True),
    "master-of-three": ProgramSpec("preforked", ("3",), by_child=True),
}
POLLERS = {
    "polls-by-stat": ProgramSpec("poller", ("9", "stat")),
    "polls-by-reading": ProgramSpec("poller", ("9", "read")),
}
SPECS = {
    "idle": ProgramSpec("between_jobs"),
    "retries": ProgramSpec("retries"),
    **POLLERS,
    "forwards-early": ProgramSpec("forwarder", (EARLY, "early")),
    "forwards-late": ProgramSpec("forwarder", (LATE, "late")),
    "forwards-as-configured": ProgramSpec("forwarder", (CONFIGURED, OLD)),
    **HELPED,
    **JAILED,
    **USERS,
    **MASTERS,
}


@pytest.fixture(scope="module")
def programs(running: Daemon) -> Iterator[ProgramSet]:
    """Start them all, and change the file."""
    with Stage(running) as stage:
        stage.world.path(f"{JAIL}/etc").mkdir(parents=True)
        stage.world.path(BARE_JAIL).mkdir()
        programs = ProgramSet(stage)
        clients = {
            f"client-{address}": ProgramSpec("pinned", (address,), nameserver=address)
            for address in (EARLY, LATE, CONFIGURED)
        }
        programs.start(clients)
        programs.start(SPECS)
        for _ in range(2):
            programs.await_look("polls-by-stat")
        stage.change_past_grace()
        for name in POLLERS:  # they follow in a few seconds
            programs.after[name] = programs.when(name, "stale")
        yield programs


@pytest.mark.parametrize("name", ["forwards-early", "forwards-late"])
def test_a_forwarder_that_read_the_file_once(programs: ProgramSet, name: str) -> None:
    """Who serves port 53, read resolv.conf and queries what it listed is judged like anybody."""
    row = programs.when(name, "stale")
    assert_says(row, "has not re-read the file since generation 1$", rf"^restart \S+ \(pid {row['pid']}\)$")
    used = programs.stage.command("who", OLD)
    assert used.returncode == 1
    assert str(row["pid"]) in used.stdout


def test_a_forwarder_whose_upstreams_are_not_known(programs: ProgramSet) -> None:
    """A process that serves port 53 and queries what it was configured to is not judged by resolv.conf."""
    row = programs.querying("forwards-as-configured")
    assert row["state"] == "unlisted"
    assert_says(row, "on behalf of others; it is not known where it takes its upstreams from$", "^nothing to do")


@pytest.mark.parametrize("address", [EARLY, LATE, CONFIGURED])
def test_a_client_of_a_forwarder(programs: ProgramSet, address: str) -> None:
    """Whoever queries a forwarder that resolv.conf never listed has its own configuration."""
    assert programs.querying(f"client-{address}")["state"] == "unlisted"


@pytest.mark.parametrize("name", HELPED)
def test_a_helper_reads_the_file(programs: ProgramSet, name: str) -> None:
    """What the helper read is what the daemon goes by, from inside a jail too, and when the helper has exited."""
    before = programs.before[name]
    assert before["state"] == "current", before
    assert before["last_read"]["generation"] == 1
    row = programs.when(name, "stale")
    assert_says(row, r"; its helper, pid \d+, read the file at generation 1 and has not re-read it$", "^restart ")


@pytest.mark.parametrize("name", JAILED)
def test_a_jail_without_the_file(programs: ProgramSet, name: str) -> None:
    """The C library queries loopback there; what came before is judged by the file read then. Nothing is lost."""
    row = programs.querying(name, LOOPBACK)
    states = {use["address"]: use["state"] for use in row["nameservers"]}
    assert states.pop(LOOPBACK) == "unlisted"
    assert states in ({}, {OLD: "retired"}, {OLD: "quiet"})
    assert name.endswith("-late") or states
    jail = programs.started[name].argv[-3]
    missing = f"there is no {jail}/etc/resolv.conf, and glibc queries 127.0.0.1 then$"
    assert_says(row, missing, f"^put a copy of /etc/resolv.conf at {jail}/etc/resolv.conf$")


@pytest.mark.parametrize("name", USERS)
def test_a_user_and_then_its_own_resolver(programs: ProgramSet, name: str) -> None:
    """A look at nscd's socket for a user says nothing of how names are looked up."""
    row = programs.when(name, "stale")
    assert row["lookup_path"] == "direct", row
    assert_says(row, "has not re-read the file", r"^restart \S+ \(pid \d+\)$")


@pytest.mark.parametrize("name", MASTERS)
def test_a_resolver_inherited_from_the_master(programs: ProgramSet, name: str) -> None:
    """The master is named, whose restart helps: of each worker, and of one that comes for one that was killed."""
    master = programs.started[name].pid
    worker = programs.pids[name]
    for _ in range(2):
        row = programs.stage.wait_for(worker, "stale")
        assert_says(row, rf"\(pid {master}\)", rf"^restart .*\(pid {master}\)")
        os.kill(worker, signal.SIGKILL)
        programs.stage.daemon.wait_until_gone(worker, 10)
        worker = programs.stage.child(programs.started[name])
    of_master = programs.stage.daemon.row(master)
    assert of_master is None or "nothing to do" not in of_master["advice"], of_master


def test_idle_at_the_change(programs: ProgramSet) -> None:
    """Who has queried nobody since the change is quiet, not done with the old server, until its next job tells."""
    row = programs.when("idle", "quiet")
    assert_says(row, "has queried nobody since .* dropped it", "^check again after its next lookup, or restart ")
    used = programs.stage.command("who", OLD)
    assert used.returncode != 0, used.stdout
    assert "may use it again" in used.stdout
    programs.started["idle"].send_signal(signal.SIGUSR1)
    row = programs.when("idle", "stale")
    assert_says(row, "has not re-read the file since generation 1$", "^restart ")


def test_retries_after_its_own_read(programs: ProgramSet) -> None:
    """What a program retries after it has re-read the file keeps no flag up."""
    programs.when("retries", "stale")
    pid = programs.pids["retries"]
    programs.started["retries"].send_signal(signal.SIGUSR1)
    programs.stage.wait(pid, lambda row: of_pair(row, OLD) != "stale", "the flag to go", 4)
    programs.started["retries"].send_signal(signal.SIGUSR2)
    row = programs.stage.wait(pid, lambda row: of_pair(row, OLD) == "retired", "the retries to be over")
    assert row["state"] == "current"


@pytest.mark.parametrize("name", POLLERS)
def test_a_poller_recovers_by_itself(programs: ProgramSet, name: str) -> None:
    """Who checks the file every few seconds need not be restarted."""
    row = programs.after[name]
    assert_says(row, "checks the file every 9 s and will recover by itself$", "it follows by itself within 9 s")
    row = programs.querying(name, NEW)
    row = programs.stage.wait(programs.pids[name], lambda row: of_pair(row, OLD) == "retired", "it to follow")
    assert row["state"] == "current"


def test_a_restart_of_the_daemon(programs: ProgramSet) -> None:
    """It knows again who reads the file for whom, and which file is missing."""
    for name in HELPED:
        programs.when(name, "stale")
    programs.stage.daemon.stop()
    programs.stage.daemon.start()
    for name in HELPED:
        row = programs.querying(name)
        assert row["state"] == "stale", row
        assert_says(row, r"; its helper, pid \d+, read the file at generation 1", "^restart ")
    for name in JAILED:
        row = programs.querying(name, LOOPBACK)
        assert_says(row, "there is no ", "^put a copy ")
