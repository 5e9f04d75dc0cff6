"""A world for a story: two nameservers that answer, programs that query them, and what the daemon says of these."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from exporter.demo.lab import NEW, NEW_ANSWER, OLD, OLD_ANSWER, Program, World
from tests.support.tracing import RESOLVTRACE, SHORT, Daemon
from tests.zoo.observe import descendants

PROGRAMS = Path(__file__).parent / "programs"
LISTS_OLD = f"nameserver {OLD}\n{SHORT}"
LISTS_NEW = f"nameserver {NEW}\n{SHORT}"
EMPTY = f"# nobody\n{SHORT}"
NAME = "field.hat.com"
SECONDS = 20.0
GRACE_SECONDS = 2.5
"""Longer than the grace under SHORT and one nameserver, two seconds."""
Row = dict[str, Any]


class Stage:
    """A world whose resolv.conf lists OLD at first, and the daemon that watches it.

    A witness, which goes by the C library, is in it from the start: it is what the view is known by, and it must never
    be flagged.
    """

    def __init__(self, daemon: Daemon, resolv_conf: str = LISTS_OLD, addresses: tuple[str, ...] = ()) -> None:
        self.daemon = daemon
        self.world = World([OLD, NEW, *addresses], resolv_conf)

    def __enter__(self) -> Self:
        self.world.__enter__()
        self.world.nameserver(OLD, {"hat.com": OLD_ANSWER})
        self.world.nameserver(NEW, {"hat.com": NEW_ANSWER})
        self.witness = self.run("witness", "witness.hat.com")
        self.view = str(self.wait(self.witness.pid, lambda row: bool(row["last_read"]), "the witness")["view"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                row = self.daemon.row(self.witness.pid)
                assert row is not None
                assert row["state"] != "stale"
        finally:
            self.world.__exit__(kind, error, traceback)

    # What happens

    def run(self, script: str, *arguments: str, within: tuple[str, ...] = ()) -> Program:
        """Start one of the programs."""
        return self.world.start([*within, sys.executable, "-I", PROGRAMS / "run.py", script, *arguments])

    def change(self, text: str = LISTS_NEW) -> None:
        """Change resolv.conf, and wait until the daemon has noticed."""
        generation = self.generation()
        self.world.write_resolv_conf(text)
        self.daemon.wait_for_generation(self.view, generation + 1, SECONDS)

    def change_past_grace(self, text: str = LISTS_NEW) -> None:
        """Change resolv.conf, and wait until what is sent from now on counts."""
        self.change(text)
        time.sleep(GRACE_SECONDS)

    def generation(self) -> int:
        """Give the generation of resolv.conf."""
        return next(int(view["generation"]) for view in self.daemon.check()["views"] if view["id"] == self.view)

    # What the daemon says

    def wait(self, pid: int, test: Callable[[Row], bool], what: str, seconds: float = SECONDS) -> Row:
        """Wait until the row of a process passes a test."""
        return self.daemon.wait_for(pid, test, seconds, what)

    def wait_to_query(self, pid: int, address: str, more: int = 3, *, since_start: bool = False) -> Row:
        """Wait until a process has queried a nameserver some times more; or so often since it started."""
        before = 0 if since_start else queries(self.daemon.row(pid), address)
        return self.wait(pid, lambda row: queries(row, address) >= before + more, f"{pid} to query {address}")

    def wait_for(self, pid: int, state: str, address: str | None = None) -> Row:
        """Wait until a process, or a pair of it, is in a state."""
        if address is None:
            return self.daemon.wait_for_state(pid, state, SECONDS)
        return self.wait(pid, lambda row: of_pair(row, address) == state, f"{address} of {pid} to be {state}")

    def child(self, program: Program, nameserver: str = OLD) -> int:
        """Give the descendant of a program that queries a nameserver."""
        found: list[int] = []

        def look(_row: Row) -> bool:
            rows = self.daemon.check()["processes"]
            pids = descendants(program.pid) - {program.pid}
            found[:] = [int(row["pid"]) for row in rows if row["pid"] in pids and queries(row, nameserver)]
            return bool(found)

        self.wait(self.witness.pid, look, f"a child of {program.pid} that queries {nameserver}")
        return found[0]

    def lost(self) -> int:
        """Give how much was lost."""
        return sum(self.daemon.lost().values())

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of resolvtrace's commands against the daemon."""
        return subprocess.run(
            [RESOLVTRACE, arguments[0], "--socket", self.daemon.socket, *arguments[1:]],
            capture_output=True,
            text=True,
            check=False,
        )


def queries(row: Row | None, address: str) -> int:
    """Give how often a process and its workers queried a nameserver."""
    uses = row["nameservers"] if row else ()
    return sum(use["queries"] + use["worker_queries"] for use in uses if use["address"] == address)


def of_pair(row: Row, address: str) -> str | None:
    """Give the state of one pair."""
    return next((use["state"] for use in row["nameservers"] if use["address"] == address), None)


def assert_says(row: Row, reason: str, advice: str) -> None:
    """Expect these regular expressions in what resolvtrace says of a process."""
    assert re.search(reason, row["reason"]), row["reason"]
    assert re.search(advice, row["advice"]), row["advice"]
