"""What must be so all the while, looked at again and again."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.soak.resolvers import Resolvers
from tests.support.tracing import Daemon

MORE_MEMORY = 8 << 20
MORE_DESCRIPTORS = 16
OURS = ("ring_full", "queries_full", "processes_full", "past_use_forgotten", "state_not_saved")
"""Losses that nothing here may cause. Of others the rest of the machine may have some; they are printed at the end."""
FLAGGED = "stale"


class BrokenError(AssertionError):
    """Something is not as it has to be."""


@dataclass
class Invariants:
    """Keeps what was at the beginning, and compares."""

    daemon: Daemon
    resolvers: Resolvers
    memory: int | None = None
    descriptors: int | None = None
    most_memory: int = 0
    looks: int = 0
    losses: dict[str, int] = field(default_factory=dict)

    def look(self) -> dict[str, Any]:
        """Look at everything once; gives the snapshot. Raises BrokenError."""
        self.looks += 1
        self._require(self.daemon.process.poll() is None, "the daemon has ended")
        check = self.daemon.check()
        self._no_false_flag(check)
        self._losses(check["health"]["lost"])
        self._log()
        self._size()
        return check

    def scrape(self) -> None:
        """Scrape, and parse what came."""
        families = {family.name for family in text_string_to_metric_families(self.daemon.metrics())}
        self._require("resolvtrace_stale_processes" in families, "the metrics lack the flag")

    def settled(self) -> None:
        """From here on memory and descriptors have to stay as they are."""
        self.memory, self.descriptors = self._memory(), self._descriptors()

    def _no_false_flag(self, check: dict[str, Any]) -> None:
        names = {
            program.pid: name for name, program in (*self.resolvers.healthy.items(), *self.resolvers.frozen.items())
        }
        own_views = {row["view"] for row in check["processes"] if row["pid"] in names}
        frozen = {program.pid for program in self.resolvers.frozen.values()}
        for row in check["processes"]:
            if row["state"] == FLAGGED and row["view"] in own_views:
                self._require(row["owner"] in frozen, f"a false flag on {names.get(row['pid'], row['comm'])}: {row}")

    def _losses(self, lost: dict[str, int]) -> None:
        self.losses = {reason: number for reason, number in lost.items() if number}
        for reason in OURS:
            self._require(lost[reason] == 0, f"{lost[reason]} lost for {reason}")

    def _log(self) -> None:
        for line in self.daemon.log().splitlines():
            wrong = "Traceback" in line or "level=error" in line
            unexpected = "level=warning" in line and "event=stale " not in line
            self._require(not (wrong or unexpected), f"the log says: {line}")

    def _size(self) -> None:
        memory, descriptors = self._memory(), self._descriptors()
        self.most_memory = max(self.most_memory, memory)
        if self.memory is not None and self.descriptors is not None:
            self._require(memory <= self.memory + MORE_MEMORY, f"memory grew from {self.memory} to {memory} bytes")
            self._require(
                descriptors <= self.descriptors + MORE_DESCRIPTORS,
                f"descriptors grew from {self.descriptors} to {descriptors}",
            )

    def _memory(self) -> int:
        text = Path(f"/proc/{self.daemon.process.pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("Pss:"))

    def _descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.daemon.process.pid}/fd"))

    @staticmethod
    def _require(right: bool, what: str) -> None:
        if not right:
            raise BrokenError(what)
