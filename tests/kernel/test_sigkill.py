"""SIGKILL at random moments of a daemon's life: the next start is clean, and what was known is known."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from time import sleep

import pytest

from exporter.demo.lab import NAME, NEW, NEW_ANSWER, OLD, Experiment, Program, experiment, wait_until
from tests.kernel.test_killed import orphans
from tests.support.building import build
from tests.support.tracing import SHORT, Daemon, daemon

SEED = int(os.environ.get("RESOLVTRACE_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
START_SECONDS, TICKS_SECONDS, STOP_SECONDS = 1.5, 3.0, 0.3
"""Within these a moment is drawn: while it loads, attaches and restores; ticks and saves; stops and saves."""
GONE_SECONDS = 20
TOLERANCE = 0.05
"""Seconds. Times are kept by the boot clock; what they are by the wall clock is computed each time."""


@pytest.fixture
def lab() -> Iterator[Experiment]:
    """Give the report's experiment, with lookups that end soon without an answer."""
    with experiment() as made:
        made.world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
        yield made


def ask(lab: Experiment, options: str) -> Program:
    """Start a process that looks up a name ten times a second."""
    return lab.world.start([build("getaddrinfo_loop"), NAME, "100"], {"RES_OPTIONS": options})


@pytest.mark.parametrize("times", [9, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_at_random_moments(
    lab: Experiment, tmp_path: Path, times: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each that comes to be ready knows the flag since when it was up, and the past, and flags nobody else."""
    moments = random.Random(SEED)  # noqa: S311 -- moments, no secrets
    with capsys.disabled():
        print(f"\nseed {SEED}: {times} kills")  # noqa: T201 -- RESOLVTRACE_TEST_SEED draws the same moments again
    frozen, healthy = ask(lab, "no-reload"), ask(lab, "")
    with daemon(tmp_path, grace=2.0) as one:
        one.wait_for_state(frozen.pid, "current", 20)
        lab.change()
        flag = one.wait_for_state(frozen.pid, "stale", 30)
        healthy.wait_for_line(NEW_ANSWER)
        past = view(one, flag["view"])

        def see_that_it_knows() -> None:
            row = one.wait_for_state(frozen.pid, "stale", 10)
            assert abs(seconds(row["stale_since"]) - seconds(flag["stale_since"])) < TOLERANCE
            assert view(one, flag["view"]) == past
            other = one.row(healthy.pid)
            assert other is None or other["state"] == "current"
            for trouble in ("state not used", "Traceback", "level=error"):
                assert trouble not in one.log(), one.log()

        def kill_once(number: int) -> None:
            one.kill()
            if number % 3 == 0:
                one.launch()
                sleep(moments.uniform(0, START_SECONDS))
                return
            one.start()
            see_that_it_knows()
            if number % 3 == 1:
                sleep(moments.uniform(0, TICKS_SECONDS))
            else:
                one.process.send_signal(signal.SIGTERM)
                sleep(moments.uniform(0, STOP_SECONDS))

        for number in range(times):
            try:
                kill_once(number)
            except (AssertionError, TimeoutError) as error:
                error.add_note(f"after {number} kills; seed {SEED}")
                raise
        one.kill()
        wait_until(lambda: not orphans(), GONE_SECONDS, "programs that nobody holds to be gone")
        one.start()
        see_that_it_knows()
        assert {path.name for path in one.state_dir.iterdir()} <= {"state.json", "state.new", "journal.jsonl", "lock"}


def seconds(moment: str) -> float:
    """Give a time of `check --json` as seconds since the Unix epoch."""
    return datetime.fromisoformat(moment).timestamp()


def view(one: Daemon, name: str) -> list[list[str]]:
    """Give what a view has listed."""
    (found,) = (found for found in one.check()["views"] if found["id"] == name)
    assert found["history"][-1]["nameservers"] == [NEW]
    return [generation["nameservers"] for generation in found["history"]]
