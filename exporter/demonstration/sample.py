"""One look at what the daemon says, over its socket and in /metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from exporter.escape import printable
from exporter.wire import Check, Process
from tracer.snapshot import State

__all__ = ["Gauges", "Group", "Sample"]

_FLAG, _FLAGGED = "resolvtrace_stale_resolver", "resolvtrace_stale_processes"
_SHORT_ID = 12

Group = tuple[tuple[str, str], ...]
"""The labels of a series of the flag, in the order of their names."""
Gauges = Mapping[tuple[str, Group], float]
"""What /metrics says now: the value by name and labels."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Both surfaces, one asked right after the other; a tick of the daemon may lie between."""

    check: Check
    gauges: Gauges

    def row(self, pid: int) -> Process | None:
        """Return what `check --json` has on a process; None where it is not tracked."""
        return next((process for process in self.check["processes"] if process["pid"] == pid), None)

    def state(self, pid: int) -> str | None:
        """Return a process's state; None where it is not tracked."""
        row = self.row(pid)
        return row["state"] if row else None

    @property
    def flagged(self) -> float | None:
        """The number of flagged processes in /metrics; None where it is not there, which must not be."""
        return self.gauges.get((_FLAGGED, ()))

    def flag(self, group: Group) -> float | None:
        """Return the flag's value for a group in /metrics; None where there is no such series."""
        return self.gauges.get((_FLAG, group))

    @property
    def stale(self) -> set[int]:
        """The pids that `check --json` has the flag up for, workers left out: their owners stand for them."""
        return {row["pid"] for row in self.check["processes"] if row["state"] == State.STALE and not row["worker"]}

    @property
    def surfaces_agree(self) -> bool:
        """Whether /metrics has the flag up for just those that `check --json` has.

        Other processes of the machine count too, among them those of another demo.
        """
        expected = Counter(group for pid in self.stale for group in self.groups(pid))
        flags = {group: value for (name, group), value in self.gauges.items() if name == _FLAG}
        return flags == expected and self.flagged == len(self.stale)

    def groups(self, pid: int) -> list[Group]:
        """Return the series of the flag that a process counts in."""
        row = self.row(pid)
        return _groups(row) if row else []

    def seconds_to_flag(self, pid: int) -> float | None:
        """Return the time from the last change of the file a process reads to its flag; None without a flag."""
        row = self.row(pid)
        if row is None or row["stale_since"] is None:
            return None
        view = next(one for one in self.check["views"] if one["id"] == row["view"])
        changed, flagged = (datetime.fromisoformat(time) for time in (view["changed_at"], row["stale_since"]))
        return (flagged - changed).total_seconds()

    def as_one_host(self, pids: Collection[int]) -> Check:
        """Return what the check form would be if these processes were all, and the view they share the host's."""
        processes = [process for process in self.check["processes"] if process["pid"] in pids]
        used = {process["view"] for process in processes}
        own = self.check.copy()
        own["processes"] = processes
        own["views"] = [{**view, "id": "host"} for view in self.check["views"] if view["id"] in used]
        return own


def _groups(row: Process) -> list[Group]:
    unit = printable(row["unit"] or (row["container"] or "")[:_SHORT_ID])
    addresses = sorted({use["address"] for use in row["nameservers"] if use["state"] == State.STALE})
    return [(("comm", printable(row["comm"])), ("nameserver", address), ("unit", unit)) for address in addresses]
