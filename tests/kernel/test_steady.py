"""Pairs that the kernel side counts on its own: nobody can tell them from others, on the real kernel."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.demo.lab import NAME, NEW, OLD, Experiment, experiment, wait_until
from tests.support.building import build
from tests.support.tracing import SHORT, Daemon, addresses, daemon

GRACE = 2.0
_KNOWN_SECONDS = 60
"""Until it is known how a process's queries and looks at the file go together: half a minute if it never looks."""


@pytest.fixture
def lab() -> Iterator[Experiment]:
    """Give the report's experiment, with lookups that end soon."""
    with experiment() as made:
        made.world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
        yield made


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Daemon]:
    """Give a daemon that nobody else has."""
    with daemon(tmp_path, grace=GRACE) as started:
        yield started


def steady(running: Daemon) -> float:
    """Give how many pairs the kernel side counts on its own."""
    return next(
        sample.value
        for family in text_string_to_metric_families(running.metrics())
        for sample in family.samples
        if sample.name == "resolvtrace_map_entries" and sample.labels["map"] == "steady"
    )


def test_every_query_is_counted_without_the_daemon(lab: Experiment, running: Daemon) -> None:
    """What the nameserver logged is what `check` says, whoever counted it; and who follows is never flagged."""
    program = lab.world.start([build("getaddrinfo_loop"), NAME, "100"])
    running.wait_for_state(program.pid, "current", 5)
    wait_until(lambda: steady(running), _KNOWN_SECONDS, "a steady pair")
    asked = len(lab.old.queries())
    wait_until(lambda: len(lab.old.queries()) >= asked + 40, 20, "forty queries more")
    os.kill(program.pid, signal.SIGSTOP)

    def counted() -> int:
        row = running.row(program.pid)
        return sum(use["queries"] for use in row["nameservers"]) if row else 0

    wait_until(lambda: counted() == len(lab.old.queries()), 5, "the count that the nameserver has")
    os.kill(program.pid, signal.SIGCONT)
    lab.change()
    wait_until(lambda: len(lab.new.queries()) >= 4, 10, "queries to the new nameserver")
    followed = {OLD: "retired", NEW: "current"}
    wait_until(lambda: addresses(running.row(program.pid) or {"nameservers": []}) == followed, 3, "what it queries now")
    row = running.wait_for_state(program.pid, "current", 1)
    assert row["stale_since"] is None


def test_a_change_wakes_whom_it_concerns(lab: Experiment, running: Daemon) -> None:
    """One that never looks at the file is flagged as soon as any other, though nobody has heard of it for long."""
    program = lab.world.start([build("res_query_loop", "-lresolv"), NAME, "200", "0"], {"RES_OPTIONS": "no-reload"})
    running.wait_for_state(program.pid, "current", 5)
    wait_until(lambda: steady(running), _KNOWN_SECONDS, "a steady pair")
    wait_until(lambda: len(lab.old.queries()) >= 200, 60, "two hundred queries")
    changed = time.monotonic()
    lab.change()
    row = running.wait_for_state(program.pid, "stale", GRACE + 4)
    assert time.monotonic() - changed <= GRACE + 4
    (use,) = row["nameservers"]
    assert use["queries_since_removed"] >= 2
