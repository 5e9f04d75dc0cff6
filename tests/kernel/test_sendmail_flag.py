"""Debian's own sendmail, as it comes, stays on the old nameserver: its listener is flagged, and a restart fixes it.

Three sendmails go through the same at the same time, each in a world of its own, under one daemon.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from exporter.demo.lab import NEW, OLD, Experiment, Nameserver, experiment, wait_until
from tests.support.lab_sendmail import Mode, Sendmail
from tests.support.tracing import SHORT, Daemon, addresses, daemon

GRACE = 2.0
EARLY = "-bd, before the daemon"
CASES: dict[str, Mode] = {"-bD": "-bD", "-bd": "-bd", EARLY: "-bd"}
"""In the foreground; where the process that read the file forks and exits; and one that nobody saw read it."""

Row = dict[str, Any]


@dataclass
class Case:
    """One sendmail, and what the daemon said of it at each step."""

    lab: Experiment
    sendmail: Sendmail
    listener: int
    view: str = ""
    flagged_too_early: list[int] = field(default_factory=list)
    flag: Row = field(default_factory=dict)
    flag_delay: float = 0.0
    flagged: list[int] = field(default_factory=list)


@contextmanager
def sendmail_in_a_world(mode: Mode) -> Iterator[Case]:
    """Run sendmail where the old nameserver is listed."""
    with experiment() as lab:
        lab.world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
        sendmail = Sendmail(lab.world)
        sendmail.start(mode)
        assert (sendmail.listener_pid == sendmail.starter_pid) == (mode == "-bD")
        yield Case(lab, sendmail, sendmail.listener_pid)


def mx_queries(server: Nameserver) -> int:
    """Count the MX queries for hat.com."""
    return sum(query.type == "MX" and query.name == "hat.com" for query in server.queries())


def deliver(sendmail: Sendmail, mails: int, server: Nameserver) -> None:
    """Hand mails in, and wait until their MX lookups have reached a nameserver."""
    before = mx_queries(server)
    sendmail.submit(mails)
    wait_until(lambda: mx_queries(server) >= before + mails, 10, f"{mails} MX queries at {server.address}")


def flagged(running: Daemon, view: str) -> list[int]:
    """Give the processes of a view that are flagged and stand for themselves."""
    return [
        row["pid"]
        for row in running.check()["processes"]
        if (row["view"], row["state"], row["worker"]) == (view, "stale", False)
    ]


def flagged_in_metrics(running: Daemon) -> float:
    """Give how many sendmails /metrics says are stale."""
    flag = 'resolvtrace_stale_resolver{comm="sendmail-mta"'
    return sum(float(line.rpartition(" ")[2]) for line in running.metrics().splitlines() if line.startswith(flag))


def shows_later_than(running: Daemon, moment: float) -> bool:
    """Say whether the daemon's snapshot is of later than a moment."""
    return datetime.fromisoformat(running.check()["time"]).timestamp() > moment


@pytest.fixture(scope="module")
def worlds() -> Iterator[ExitStack]:
    """End the worlds when all is done."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def cases(worlds: ExitStack) -> dict[str, Case]:
    """Give the sendmails; of one the daemon knows only by name, until the fixture `running` starts it."""
    made = {EARLY: worlds.enter_context(sendmail_in_a_world(CASES[EARLY]))}
    deliver(made[EARLY].sendmail, 1, made[EARLY].lab.old)
    return made


@pytest.fixture(scope="module")
def running(worlds: ExitStack, cases: dict[str, Case], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Give a daemon to which the change, and two queries after the grace, have happened."""
    with daemon(tmp_path_factory.mktemp("sendmail"), grace=GRACE) as started:
        for name, mode in CASES.items():
            if name not in cases:
                cases[name] = worlds.enter_context(sendmail_in_a_world(mode))
        for case in cases.values():
            deliver(case.sendmail, 2, case.lab.old)
            case.view = started.wait_for_state(case.listener, "current", 5)["view"]
        for case in cases.values():
            case.lab.change()
        over = time.time() + 1 + GRACE
        wait_until(lambda: shows_later_than(started, over), 10, "the grace to be over")
        for case in cases.values():
            case.flagged_too_early = flagged(started, case.view)
            deliver(case.sendmail, 2, case.lab.old)
            enough = time.time()
            with suppress(TimeoutError):
                wait_until(lambda case=case: flagged(started, case.view), 5, "a flag")  # type: ignore[misc]
                case.flag = started.row(case.listener) or {}
                case.flag_delay = time.time() - enough
        quiet = time.time() + 2
        wait_until(lambda: shows_later_than(started, quiet), 5, "two snapshots more")
        for case in cases.values():
            case.flagged = flagged(started, case.view)
        yield started


@pytest.mark.parametrize("name", ["-bD", "-bd", EARLY])
def test_the_listener_is_flagged(running: Daemon, cases: dict[str, Case], name: str) -> None:
    """On what its short-lived children query after the grace, within 3 s, and as long as nothing else happens."""
    assert running
    case = cases[name]
    assert case.flagged_too_early == []
    assert case.flag
    assert case.flag_delay <= 3
    # Neither a worker nor a reader that has exited.
    assert case.flagged == [case.listener]
    assert addresses(case.flag)[OLD] == "stale"
    assert not case.lab.new.queries()
    assert (case.flag["comm"], case.flag["owner"]) == ("sendmail-mta", case.listener)
    assert case.flag["workers"] > 0
    assert case.flag["advice"].startswith("restart")
    read = case.flag["last_read"]
    assert (read and read["generation"]) == (None if name == EARLY else 1)


def test_a_restart_clears_the_flags(running: Daemon, cases: dict[str, Case]) -> None:
    """They are gone within 3 s, from /metrics too, and the new listeners query the new nameserver."""
    were_flagged = sum(len(case.flagged) for case in cases.values())
    assert flagged_in_metrics(running) == were_flagged > 0
    for case in cases.values():
        case.sendmail.restart()
        since = time.time()
        wait_until(lambda view=case.view: not flagged(running, view), 5, "the flag to be gone")  # type: ignore[misc]
        assert time.time() - since <= 3
        assert running.row(case.listener) is None
    assert flagged_in_metrics(running) == 0

    for case in cases.values():
        deliver(case.sendmail, 2, case.lab.new)
    for case in cases.values():
        after = running.wait_for_state(case.sendmail.listener_pid, "current", 5)
        assert addresses(after) == {NEW: "current"}
        assert flagged(running, case.view) == []
