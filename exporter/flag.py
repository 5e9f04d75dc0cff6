"""The flag's groups: flagged processes taken together by unit, command and nameserver.

No label carries a pid, and no more than :data:`MOST_GROUPS` groups are told apart, so that a machine gone wrong does
not become a flood of time series. Those flagged first keep their names; the rest share ``~other``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from exporter.escape import printable
from tracer.snapshot import ProcessSnapshot, Snapshot, State

__all__ = ["GROUP_LABELS", "MOST_GROUPS", "Group", "groups", "stale_processes"]

GROUP_LABELS = ("unit", "comm", "nameserver")
MOST_GROUPS = 50
_OTHER = ("~other", "~other", "~other")
_SHORT_ID = 12
"""Characters of a container's short id, as its own tools print it."""


@dataclass(frozen=True, slots=True)
class Group:
    """Processes of one unit and command that are in the asked state on one nameserver.

    ``since`` is when the first of them was flagged, nanoseconds since the Unix epoch; None outside of ``stale``.
    """

    labels: tuple[str, str, str]
    processes: int
    since: int | None


@dataclass(slots=True)
class _Gathering:
    processes: set[tuple[int, int | None]] = field(default_factory=set)
    since: int | None = None

    def add(self, other: _Gathering) -> None:
        self.processes |= other.processes
        self.since = min((t for t in (self.since, other.since) if t is not None), default=None)


def stale_processes(snapshot: Snapshot) -> int:
    """Return how many processes are flagged. A worker is not: its owner is flagged for it."""
    return sum(process.state is State.STALE and not process.worker for process in snapshot.processes)


def groups(snapshot: Snapshot, state: State) -> list[Group]:
    """Return the groups of processes with a pair in ``state``, the longest flagged first and ``~other`` last.

    A process counts once in a group, and a worker not at all: its owner stands for it.
    """
    gathered: dict[tuple[str, str, str], _Gathering] = {}
    for process in snapshot.processes:
        if process.worker:
            continue
        for use in process.nameservers:
            if use.state is state and not use.ignored:
                labels = (_unit(process), printable(process.comm), use.address)
                mine = _Gathering({(process.pid, process.started_at)}, use.stale_since)
                gathered.setdefault(labels, _Gathering()).add(mine)
    ordered = sorted(gathered.items(), key=lambda item: (item[1].since is None, item[1].since or 0, item[0]))
    named, rest = ordered[:MOST_GROUPS], ordered[MOST_GROUPS:]
    if rest:
        other = _Gathering()
        for _, gathering in rest:
            other.add(gathering)
        named.append((_OTHER, other))
    return [Group(labels, len(gathering.processes), gathering.since) for labels, gathering in named]


def _unit(process: ProcessSnapshot) -> str:
    """Return the systemd unit, else the container's short id, else nothing."""
    return printable(process.unit or (process.container or "")[:_SHORT_ID])
