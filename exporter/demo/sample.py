"""What the daemon reports at one moment, over its socket and in /metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from exporter.escape import printable
from tracer.report.snapshot import ProcessSnapshot, Snapshot
from tracer.verdict.states import State

__all__ = ["Gauges", "Group", "Sample"]

_FLAG, _FLAGGED = "resolvtrace_stale_resolver", "resolvtrace_stale_processes"
_SHORT_ID = 12
_NANOSECONDS = 1_000_000_000

Group = tuple[tuple[str, str], ...]
"""The labels of a series of the flag, sorted by name."""
Gauges = Mapping[tuple[str, Group], float]
"""/metrics: values by name and labels."""


@dataclass(frozen=True, slots=True)
class Sample:
    """``check --json`` and /metrics, fetched one after the other; the daemon may tick between."""

    check: Snapshot
    gauges: Gauges

    def row(self, pid: int) -> ProcessSnapshot | None:
        """Return the row of a process in `check --json`; None if it is not tracked."""
        return next((process for process in self.check.processes if process.pid == pid), None)

    def state(self, pid: int) -> str | None:
        """Return a process's state; None if it is not tracked."""
        row = self.row(pid)
        return row.state if row else None

    @property
    def flagged(self) -> float | None:
        """The number of flagged processes in /metrics; None if it is missing, which is an error."""
        return self.gauges.get((_FLAGGED, ()))

    def flag(self, group: Group) -> float | None:
        """Return the flag's value for a group in /metrics; None if there is no such series."""
        return self.gauges.get((_FLAG, group))

    @property
    def stale(self) -> set[int]:
        """The pids that `check --json` flags, except workers, whose owners are flagged."""
        return {row.pid for row in self.check.processes if row.state == State.STALE and not row.worker}

    @property
    def surfaces_agree(self) -> bool:
        """Whether /metrics flags the same processes as `check --json`.

        Other processes of the machine count too, those of another demo among them.
        """
        expected = Counter(group for pid in self.stale for group in self.groups(pid))
        flags = {group: value for (name, group), value in self.gauges.items() if name == _FLAG}
        return flags == expected and self.flagged == len(self.stale)

    def groups(self, pid: int) -> list[Group]:
        """Return the series of the flag that a process counts in."""
        row = self.row(pid)
        return _groups(row) if row else []

    def seconds_to_flag(self, pid: int) -> float | None:
        """Return the time from the last change of a process's file to its flag; None without a flag."""
        row = self.row(pid)
        if row is None or row.stale_since is None:
            return None
        view = next(one for one in self.check.views if one.id == row.view)
        return (row.stale_since - view.changed_at) / _NANOSECONDS

    def as_one_host(self, pids: Collection[int]) -> Snapshot:
        """Return the snapshot with only these processes, and their view as the host's."""
        processes = tuple(process for process in self.check.processes if process.pid in pids)
        used = {process.view for process in processes}
        views = tuple(replace(view, id="host") for view in self.check.views if view.id in used)
        return replace(self.check, processes=processes, views=views)


def _groups(row: ProcessSnapshot) -> list[Group]:
    unit = printable(row.unit or (row.container or "")[:_SHORT_ID])
    addresses = sorted({use.address for use in row.nameservers if use.state == State.STALE})
    return [(("comm", printable(row.comm)), ("nameserver", address), ("unit", unit)) for address in addresses]
