"""Programs whose resolv.conf moves from one nameserver to another, both of which answer."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from exporter.demo.lab import NEW, OLD
from tests.field.cast import Cast, Part
from tests.field.stage import Stage, assert_says, of_pair
from tests.support.tracing import Daemon

LOOPBACK = "127.0.0.1"
EARLY, LATE, CONFIGURED = "127.0.0.7", "127.0.0.8", "127.0.0.9"
JAIL, BARE_JAIL = "/run/jail", "/run/jail-without-etc"
HELPED = {
    "helped": Part("helped"),
    "helped-once": Part("helped", ("once",)),
    "helped-by-parent": Part("helped", ("parent",), by_child=True),
    "helped-once-by-parent": Part("helped", ("parent", "once"), by_child=True),
    "helped-in-jail": Part("helped", ("jail=/run/empty",)),
    "helped-once-in-jail": Part("helped", ("jail=/run/empty", "once")),
    "helped-by-parent-in-jail": Part("helped", ("jail=/run/empty", "parent"), by_child=True),
}
JAILED = {
    f"jailed-{function}-{kind}{'-late' if not before else ''}": Part(
        "jailed", (jail, function, str(before)), nameserver=LOOPBACK
    )
    for function in ("getaddrinfo", "gethostbyname")
    for kind, jail in (("etc", JAIL), ("bare", BARE_JAIL))
    for before in (2, 0)
}
USERS = {
    "user-once": Part("user_first", queries=10),
    "user-again": Part("user_first", ("again",), queries=10),
    "user-hosts": Part("user_first", ("hosts",), queries=10),
    "user-again-hosts": Part("user_first", ("again", "hosts"), queries=10),
}
MASTERS = {
    "master": Part("preforked", ("1",), by_child=True),
    "master-of-three": Part("preforked", ("3",), by_child=True),
}
POLLERS = {
    "polls-by-stat": Part("poller", ("9", "stat")),
    "polls-by-reading": Part("poller", ("9", "read")),
}
PARTS = {
    "idle": Part("between_jobs"),
    "retries": Part("retries"),
    **POLLERS,
    "forwards-early": Part("forwarder", (EARLY, "early")),
    "forwards-late": Part("forwarder", (LATE, "late")),
    "forwards-as-configured": Part("forwarder", (CONFIGURED, OLD)),
    **HELPED,
    **JAILED,
    **USERS,
    **MASTERS,
}


@pytest.fixture(scope="module")
def cast(running: Daemon) -> Iterator[Cast]:
    """Start them all, and change the file."""
    with Stage(running) as stage:
        stage.world.path(f"{JAIL}/etc").mkdir(parents=True)
        stage.world.path(BARE_JAIL).mkdir()
        cast = Cast(stage)
        clients = {
            f"client-{address}": Part("pinned", (address,), nameserver=address) for address in (EARLY, LATE, CONFIGURED)
        }
        cast.start(clients)
        cast.start(PARTS)
        for _ in range(2):
            cast.await_look("polls-by-stat")
        stage.change_past_grace()
        for name in POLLERS:  # they follow in a few seconds
            cast.after[name] = cast.when(name, "stale")
        yield cast


@pytest.mark.parametrize("name", ["forwards-early", "forwards-late"])
def test_a_forwarder_that_read_the_file_once(cast: Cast, name: str) -> None:
    """Who serves port 53, read resolv.conf and queries what it listed is judged like anybody."""
    row = cast.when(name, "stale")
    assert_says(row, "has not re-read the file since generation 1$", rf"^restart \S+ \(pid {row['pid']}\)$")
    used = cast.stage.command("who", OLD)
    assert used.returncode == 1
    assert str(row["pid"]) in used.stdout


def test_a_forwarder_whose_upstreams_are_not_known(cast: Cast) -> None:
    """A process that serves port 53 and queries what it was configured to is not judged by resolv.conf."""
    row = cast.querying("forwards-as-configured")
    assert row["state"] == "unlisted"
    assert_says(row, "on behalf of others; it is not known where it takes its upstreams from$", "^nothing to do")


@pytest.mark.parametrize("address", [EARLY, LATE, CONFIGURED])
def test_a_client_of_a_forwarder(cast: Cast, address: str) -> None:
    """Whoever queries a forwarder that resolv.conf never listed has its own configuration."""
    assert cast.querying(f"client-{address}")["state"] == "unlisted"


@pytest.mark.parametrize("name", HELPED)
def test_a_helper_reads_the_file(cast: Cast, name: str) -> None:
    """What the helper read is what the daemon goes by, from inside a jail too, and when the helper has exited."""
    before = cast.before[name]
    assert before["state"] == "current", before
    assert before["last_read"]["generation"] == 1
    row = cast.when(name, "stale")
    assert_says(row, r"; its helper, pid \d+, read the file at generation 1 and has not re-read it$", "^restart ")


@pytest.mark.parametrize("name", JAILED)
def test_a_jail_without_the_file(cast: Cast, name: str) -> None:
    """The C library queries loopback there; what came before is judged by the file read then. Nothing is lost."""
    row = cast.querying(name, LOOPBACK)
    states = {use["address"]: use["state"] for use in row["nameservers"]}
    assert states.pop(LOOPBACK) == "unlisted"
    assert states in ({}, {OLD: "retired"}, {OLD: "quiet"})
    assert name.endswith("-late") or states
    jail = cast.programs[name].argv[-3]
    missing = f"there is no {jail}/etc/resolv.conf, and glibc queries 127.0.0.1 then$"
    assert_says(row, missing, f"^put a copy of /etc/resolv.conf at {jail}/etc/resolv.conf$")


@pytest.mark.parametrize("name", USERS)
def test_a_user_and_then_its_own_resolver(cast: Cast, name: str) -> None:
    """A look at nscd's socket for a user says nothing of how names are looked up."""
    row = cast.when(name, "stale")
    assert row["lookup_path"] == "direct", row
    assert_says(row, "has not re-read the file", r"^restart \S+ \(pid \d+\)$")


@pytest.mark.parametrize("name", MASTERS)
def test_a_resolver_inherited_from_the_master(cast: Cast, name: str) -> None:
    """The master is named, whose restart helps: of each worker, and of one that comes for one that was killed."""
    master = cast.programs[name].pid
    worker = cast.pids[name]
    for _ in range(2):
        row = cast.stage.wait_for(worker, "stale")
        assert_says(row, rf"\(pid {master}\)", rf"^restart .*\(pid {master}\)")
        os.kill(worker, signal.SIGKILL)
        cast.stage.daemon.wait_until_gone(worker, 10)
        worker = cast.stage.child(cast.programs[name])
    of_master = cast.stage.daemon.row(master)
    assert of_master is None or "nothing to do" not in of_master["advice"], of_master


def test_idle_at_the_change(cast: Cast) -> None:
    """Who has queried nobody since the change is quiet, not done with the old server, until its next job tells."""
    row = cast.when("idle", "quiet")
    assert_says(row, "has queried nobody since .* dropped it", "^check again after its next lookup, or restart ")
    used = cast.stage.command("who", OLD)
    assert used.returncode != 0, used.stdout
    assert "may use it again" in used.stdout
    cast.programs["idle"].send_signal(signal.SIGUSR1)
    row = cast.when("idle", "stale")
    assert_says(row, "has not re-read the file since generation 1$", "^restart ")


def test_retries_after_its_own_read(cast: Cast) -> None:
    """What a program retries after it has re-read the file keeps no flag up."""
    cast.when("retries", "stale")
    pid = cast.pids["retries"]
    cast.programs["retries"].send_signal(signal.SIGUSR1)
    cast.stage.wait(pid, lambda row: of_pair(row, OLD) != "stale", "the flag to go", 4)
    cast.programs["retries"].send_signal(signal.SIGUSR2)
    row = cast.stage.wait(pid, lambda row: of_pair(row, OLD) == "retired", "the retries to be over")
    assert row["state"] == "current"


@pytest.mark.parametrize("name", POLLERS)
def test_a_poller_recovers_by_itself(cast: Cast, name: str) -> None:
    """Who looks at the file every few seconds need not be restarted."""
    row = cast.after[name]
    assert_says(row, "looks at the file every 9 s and will recover by itself$", "it follows by itself within 9 s")
    row = cast.querying(name, NEW)
    row = cast.stage.wait(cast.pids[name], lambda row: of_pair(row, OLD) == "retired", "it to follow")
    assert row["state"] == "current"


def test_a_restart_of_the_daemon(cast: Cast) -> None:
    """It knows again who reads the file for whom, and which file is missing."""
    for name in HELPED:
        cast.when(name, "stale")
    cast.stage.daemon.stop()
    cast.stage.daemon.start()
    for name in HELPED:
        row = cast.querying(name)
        assert row["state"] == "stale", row
        assert_says(row, r"; its helper, pid \d+, read the file at generation 1", "^restart ")
    for name in JAILED:
        row = cast.querying(name, LOOPBACK)
        assert_says(row, "there is no ", "^put a copy ")
