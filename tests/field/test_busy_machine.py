"""An ordinary busy machine: short lookups in shell loops, jobs that come and go, a daemon in a chroot. No warning."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.field.program_set import ProgramSet, ProgramSpec
from tests.field.stage import Stage
from tests.support.tracing import daemon

LOOPS = (
    "while :; do getent hosts a.hat.com >/dev/null; getent passwd nobody >/dev/null; done",
    "while :; do dig +short +tries=1 +timeout=1 b.hat.com >/dev/null; done",
    "while :; do (sleep 0.05; getent ahosts c.hat.com) & wait; done",
    "while :; do unshare --mount getent hosts d.hat.com >/dev/null; sleep 0.2; done",
    "while :; do setsid sh -c 'getent hosts e.hat.com & exit 0' >/dev/null; sleep 0.1; done",
)
JAIL = "/run/jail"
SECONDS = (pytest.param(15.0, id="short"), pytest.param(300.0, id="long", marks=pytest.mark.slow))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Give a world, and a daemon that has lost nothing before."""
    with daemon(tmp_path / "daemon", grace=1.0) as running, Stage(running) as made:
        yield made


@pytest.mark.alone
@pytest.mark.parametrize("seconds", SECONDS)
def test_no_warning(stage: Stage, seconds: float) -> None:
    """Nothing is lost, and no screen warns, whatever else is not known of a process of a few milliseconds."""
    stage.world.path(JAIL).mkdir()
    programs = ProgramSet(stage)
    programs.start(
        {
            "jailed": ProgramSpec("jailed", (JAIL, "getaddrinfo"), nameserver="127.0.0.1"),
            "jailed-at-once": ProgramSpec("jailed", (JAIL, "gethostbyname", "0"), nameserver="127.0.0.1"),
            "helped": ProgramSpec("helped", (f"jail={JAIL}", "once")),
        }
    )
    for loop in LOOPS:
        stage.world.start(["sh", "-c", loop])
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        lost = {reason: count for reason, count in stage.daemon.lost().items() if count}
        assert not lost
        time.sleep(1)
    warns = re.compile(r"\blost\b(?!=0c)|\bgaps?\b|warning", re.IGNORECASE)
    for command in (("check",), ("check", "--nagios"), ("top", "-b", "-n", "1"), ("who", "127.0.0.1")):
        screen = stage.command(*command)
        assert not warns.search(screen.stdout + screen.stderr), screen.stdout
    losses = [line for line in stage.daemon.metrics().splitlines() if line.startswith("resolvtrace_lost_total{")]
    assert losses
    assert {line.rpartition(" ")[2] for line in losses} == {"0.0"}
    warnings = [line for line in stage.daemon.log().splitlines() if "level=warning" in line]
    assert not [line for line in warnings if "event=stale " not in line]  # of others, should they run meanwhile
