"""Makes the picture of `resolvtrace top` in the README: the real daemon, and real processes in a world of the lab.

``python -m tests.picture FILE`` writes it as SVG, which the program's own terminal library draws.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

from exporter.demo import lookups
from exporter.demo.lab import NAME, NEW, OLD, World, experiment, wait_until
from exporter.feed.client import fetch_table
from exporter.feed.top_table import Table
from exporter.top import source
from exporter.top.app import Top
from exporter.top.arrangement import Arrangement
from tests.support.lab_cgroups import Cgroups
from tests.support.lab_sendmail import Sendmail
from tests.support.tracing import SHORT, Daemon, daemon
from tracer.verdict.states import SEVERITY, State

COLUMNS, LINES = 100, 18
SECONDS = 30.0
LOOP = """
import socket, sys, time
comm, name, pause = sys.argv[1:]
open("/proc/self/comm", "w").write(comm)
while True:
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        pass
    time.sleep(float(pause))
"""


def main(file: Path) -> None:
    """Let the list change, wait until every process's state is shown, and draw."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        lab = stack.enter_context(experiment())
        lab.world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
        cgroups = stack.enter_context(Cgroups())
        running = stack.enter_context(daemon(directory, host=lab.world.pid))
        sendmail = start(lab.world, cgroups)
        settle(running, lab.world, {"current"})
        lab.world.write_resolv_conf(f"nameserver {NEW}\n{SHORT}")
        for _ in range(3):
            sendmail.submit(4)
            settle(running, lab.world, {"stale", "current"})
        with patch.object(
            source, "fetch_table", lambda *args, **named: of_world(fetch_table(*args, **named), lab.world)
        ):
            file.write_text(asyncio.run(draw(running, lab.world)))


def start(world: World, cgroups: Cgroups) -> Sendmail:
    """Start services as systemd names them: who reads the file once, who follows it."""
    for comm, unit, pause, env in (
        ("intranet", "intranet.service", 0.05, {"RES_OPTIONS": "no-reload"}),
        ("reports", "reports.service", 0.4, {"RES_OPTIONS": "no-reload"}),
        ("backup", "backup.service", 0.1, {}),
        ("monitor", "monitoring.service", 0.03, {}),
        ("shop", f"docker-{'3f9ac1d20b77' * 5}0000.scope", 0.2, {}),
    ):
        argv = [sys.executable, "-I", "-c", LOOP, comm, NAME, str(pause)]
        world.start(cgroups.within(f"system.slice/{unit}", argv), env)
    lookups.healthy(world)
    sendmail = Sendmail(world)
    sendmail.start("-bD")
    sendmail.submit(4)
    return sendmail


def settle(running: Daemon, world: World, states: set[str]) -> None:
    """Wait until there is a row in each of the states, and nobody's grace is still to pass."""

    def settled() -> bool:
        found = {row.state for row in of_world(fetch_table(running.socket), world)["rows"]}
        return states <= found and "grace" not in found

    wait_until(settled, SECONDS, f"rows in the states {states}")


def of_world(table: Table, world: World) -> Table:
    """Leave out what else runs on this machine."""
    namespace = mount_namespace(world.pid)
    rows = [row for row in table["rows"] if mount_namespace(row.pid) == namespace]
    states: dict[int, State] = {}
    for row in rows:
        states[row.pid] = min(State(row.state), states.get(row.pid, State.RETIRED), key=SEVERITY.index)
    counted = Counter(states.values())
    return {**table, "rows": rows, "states": {state.value: counted[state] for state in SEVERITY if counted[state]}}


def mount_namespace(pid: int) -> str | None:
    """Tell which one a process has; None if it has exited."""
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")
    except OSError:
        return None


async def draw(running: Daemon, world: World) -> str:
    """Run the program without a terminal until it shows rates, and give its picture."""
    first = of_world(fetch_table(running.socket), world)
    app = Top(running.socket, 1.0, first, Arrangement())
    async with app.run_test(size=(COLUMNS, LINES)) as pilot:
        await asyncio.sleep(3.5)  # two more samples
        await pilot.pause()
        # Without the fonts that it would fetch from elsewhere.
        return re.sub(r"@font-face \{.*?\}\s*", "", app.export_screenshot(title="resolvtrace top"), flags=re.DOTALL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
