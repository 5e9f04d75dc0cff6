"""An outage or a nuisance: whether a nameserver answers a process, with real nameservers that stop and go on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from exporter.demo.lab import NAME, NEW, OLD, Experiment, Program, experiment, wait_until
from tests.support.building import build
from tests.support.tracing import RESOLVTRACE, SHORT, Daemon, daemon, seconds_between
from tests.zoo.languages import build_go

RECEIVE = """
import socket, sys, time
query = bytes.fromhex("ab120100000100000000000003686174 03636f6d0000010001")
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.settimeout(1)
    client.connect((sys.argv[1], 53))
    while True:
        client.send(query)
        try:
            RECEIVED
            print("answered", flush=True)
        except TimeoutError:
            print("no answer", flush=True)
        time.sleep(0.5)
"""
"""Queries again and again. `recv()` takes no address from the kernel, `recvfrom()` does."""
STOPPED_SECONDS = 40.0
"""Three queries over ten seconds, each with a timeout of its own, and a tick."""


def answers(row: dict[str, Any], address: str = OLD) -> str:
    """Give what is said of a nameserver."""
    (use,) = (use for use in row["nameservers"] if use["address"] == address)
    return str(use["answers"])


def wait_for_answers(running: Daemon, program: Program, expected: str, address: str = OLD) -> dict[str, Any]:
    """Wait until that is said; gives the process's row."""
    return running.wait_for(
        program.pid, lambda row: answers(row, address) == expected, STOPPED_SECONDS, f"answers: {expected}"
    )


def events(running: Daemon, pid: int) -> list[tuple[str, str]]:
    """Give kind and nameserver of what happened to a process so far."""
    argv = ["timeout", "3", str(RESOLVTRACE), "events", "--since", "1h", "--socket", running.socket]
    lines = subprocess.run(argv, check=False, capture_output=True, text=True).stdout.splitlines()
    printed = [json.loads(line) for line in lines]
    return [(one["event"], one["nameserver"]) for one in printed if one.get("pid") == pid]


def failing_series(running: Daemon) -> int:
    """Count the series of processes whose queries stay unanswered."""
    return sum(line.startswith("resolvtrace_unanswered_resolver{") for line in running.metrics().splitlines())


def stale_process(lab: Experiment, running: Daemon) -> Program:
    """Start a process that keeps its list, and change that."""
    lab.world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
    frozen = lab.world.start([build("getaddrinfo_loop"), NAME, "500"], {"RES_OPTIONS": "no-reload"})
    running.wait_for_state(frozen.pid, "current", 10)
    lab.world.write_resolv_conf(f"nameserver {NEW}\n{SHORT}")
    running.wait_for_state(frozen.pid, "stale", 20)
    return frozen


def test_a_stale_process_whose_nameserver_stops_is_an_outage(tmp_path: Path) -> None:
    """Every surface says so, and when it is over."""
    with daemon(tmp_path) as running, experiment() as lab:
        frozen = stale_process(lab, running)
        assert answers(running.row(frozen.pid) or {}) == "yes"
        lab.old.pause()
        row = wait_for_answers(running, frozen, "no")
        assert row["state"] == "stale"
        (use,) = row["nameservers"]
        assert use["last_answer"] < use["last_query"]
        assert failing_series(running) == 1
        shown = subprocess.run(
            [str(RESOLVTRACE), "check", "--socket", running.socket], check=False, capture_output=True, text=True
        )
        assert " stale, 1 without answers." in shown.stdout
        assert f"Now:  {OLD} does not answer: lookups fail" in shown.stdout

        lab.old.resume()
        wait_for_answers(running, frozen, "yes")
        assert failing_series(running) == 0
        wait_until(lambda: ("answered", OLD) in events(running, frozen.pid), 10, "the event")
        assert events(running, frozen.pid) == [("stale", OLD), ("unanswered", OLD), ("answered", OLD)]


@pytest.mark.parametrize(("received", "expected"), [("client.recvfrom(512)", "no"), ("client.recv(512)", "unknown")])
def test_of_receives_that_are_not_seen_nothing_is_said(tmp_path: Path, received: str, expected: str) -> None:
    """A program gets answers, and then none: what is known of it depends on how it receives."""
    with daemon(tmp_path) as running, experiment() as lab:
        program = lab.world.start(["/usr/bin/python3", "-c", RECEIVE.replace("RECEIVED", received), OLD])
        program.wait_for_line("answered")
        wait_for_answers(running, program, "yes" if expected == "no" else "unknown")
        lab.old.pause()
        silent = len([line for line in program.lines() if line == "no answer"])
        wait_until(
            lambda: len([line for line in program.lines() if line == "no answer"]) > silent + 8,
            STOPPED_SECONDS,
            "silence",
        )
        wait_for_answers(running, program, expected)


def test_a_process_that_receives_in_two_ways_is_not_taken_for_one_without_answers(tmp_path: Path) -> None:
    """Go looks up once through glibc, whose receive is seen, and then with its own resolver, whose are not.

    Beside it another process is answered, so that it is known that the nameserver is alive; and later, when there is no
    such process any more, that this one gets answers which are not seen.
    """
    said: set[str] = set()

    def unseen_seconds() -> float:
        row = running.row(program.pid) or {}
        (use,) = row["nameservers"]
        said.add(use["answers"])
        return seconds_between(use["last_answer"] or use["first_query"], use["last_query"])

    with daemon(tmp_path) as running, experiment() as lab:
        lab.world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
        other = lab.world.start([build("getaddrinfo_loop"), NAME, "500"])
        wait_for_answers(running, other, "yes")
        program = lab.world.start([build_go(cgo=True), NAME, "500", "1"], {"GODEBUG": "netdns=cgo"})
        wait_for_answers(running, program, "yes")
        wait_until(lambda: unseen_seconds() > 40, 60, "forty seconds without an answer that is seen")
        other.stop()
        wait_until(lambda: unseen_seconds() > 60, 40, "twenty seconds more, alone")
    assert said == {"yes", "unknown"}


def test_a_nameserver_that_is_dead_from_the_start_is_known_by_the_others(tmp_path: Path) -> None:
    """Each lookup waits for the first nameserver, and the second answers."""
    with daemon(tmp_path) as running, experiment() as lab:
        lab.old.pause()
        lab.world.write_resolv_conf(f"nameserver {OLD}\nnameserver {NEW}\n{SHORT}")
        program = lab.world.start([build("getaddrinfo_loop"), NAME, "500"])
        wait_for_answers(running, program, "no")
        assert answers(running.row(program.pid) or {}, NEW) == "yes"
