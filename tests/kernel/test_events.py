"""`resolvtrace events` and the log, of a real change: what check shows is what the events add up to."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from exporter.demo.lab import NAME, NEW, OLD, experiment, wait_until
from tests.support.building import build
from tests.support.tracing import RESOLVTRACE, SHORT, Daemon, daemon


@contextmanager
def following(running: Daemon, output: Path) -> Iterator[None]:
    """Run `resolvtrace events` into a file."""
    with output.open("wb") as file:
        argv = [str(RESOLVTRACE), "events", "--since", "1h", "--socket", running.socket]
        command = subprocess.Popen(argv, stdout=file)
        try:
            yield
        finally:
            command.kill()
            command.wait()


def events_with(output: Path, **fields: object) -> list[dict[str, Any]]:
    """Give the events that have these fields, of the lines that are whole."""
    lines = [json.loads(line) for line in output.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [line for line in lines if fields.items() <= line.items()]


def test_a_change_a_flag_and_its_end(tmp_path: Path) -> None:
    """With a restart of the daemon between: no event is lost, and none comes twice."""
    output = tmp_path / "events"
    with daemon(tmp_path / "daemon") as running, experiment() as lab, following(running, output):
        lab.world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
        frozen = lab.world.start([build("getaddrinfo_loop"), NAME, "50"], {"RES_OPTIONS": "no-reload"})
        view = running.wait_for_state(frozen.pid, "current", 10)["view"]
        lab.world.write_resolv_conf(f"nameserver {NEW}\n{SHORT}")
        wait_until(lambda: events_with(output, event="changed", view=view), 10, "the change")
        (changed,) = events_with(output, event="changed", view=view)
        assert (changed["nameservers"], changed["removed"], changed["generation"]) == ([NEW], [OLD], 2)
        row = running.wait_for_state(frozen.pid, "stale", 20)
        wait_until(lambda: events_with(output, event="stale", pid=frozen.pid), 5, "the flag")
        (stale,) = events_with(output, event="stale", pid=frozen.pid)
        same = ("comm", "exe", "uid", "unit", "container", "pod", "view", "stale_since", "started_at", "advice")
        assert {name: stale[name] for name in same} == {name: row[name] for name in same}
        assert stale["nameserver"] == OLD
        (logged,) = [line for line in running.log().splitlines() if "event=stale " in line and str(frozen.pid) in line]
        assert f"nameserver={OLD}" in logged
        assert "advice=" in logged

        running.stop()
        running.start()
        frozen.stop()
        wait_until(lambda: events_with(output, event="cleared", pid=frozen.pid), 10, "the end of the flag")
    (cleared,) = events_with(output, event="cleared", pid=frozen.pid)
    assert (cleared["nameserver"], cleared["why"]) == (OLD, "it exited")
    assert len(events_with(output, pid=frozen.pid)) == 2
