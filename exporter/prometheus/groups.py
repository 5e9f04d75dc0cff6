"""Processes in one state, grouped by unit, command and nameserver.

No label has a pid, and at most :data:`MOST_GROUPS` groups have a series of their own, so that a broken machine does not
flood Prometheus. Those flagged first keep their names; the rest share ``~other``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from exporter.escape import printable
from tracer.report.answering import is_unanswered
from tracer.report.snapshot import NameserverUse, ProcessSnapshot, Snapshot
from tracer.verdict.following import Follows
from tracer.verdict.states import State

__all__ = ["GROUP_LABELS", "MOST_GROUPS", "Group", "frozen", "groups", "stale_processes", "without_answers"]

GROUP_LABELS = ("unit", "comm", "nameserver")
MOST_GROUPS = 50
_OTHER = ("~other", "~other", "~other")
_SHORT_ID = 12
"""Characters of a container's short id, as Docker prints it."""


@dataclass(frozen=True, slots=True)
class Group:
    """Processes of one unit and command that are in the same state on one nameserver.

    ``since``: when the first of them was flagged, in nanoseconds since the Unix epoch; None for other states than
    ``stale``.
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
    """Return how many processes are flagged. Workers are not counted: their owner is."""
    return sum(process.state is State.STALE and not process.worker for process in snapshot.processes)


def groups(snapshot: Snapshot, state: State) -> list[Group]:
    """Return the groups of processes with a pair in ``state``, the longest flagged first and ``~other`` last.

    A process counts once in a group; a worker does not count, since its owner does.
    """
    return _grouped(snapshot, lambda _, use: use.state is state and not use.ignored)


def frozen(snapshot: Snapshot) -> list[Group]:
    """Return the groups of processes that query a nameserver which resolv.conf lists, and would stay with it.

    That is seen before a change. Rules that ignore a process, or expect it where it is, leave it out.
    """
    listed = {view.id: {*view.nameservers, *view.also_listed} for view in snapshot.views}

    def would_stay(process: ProcessSnapshot, use: NameserverUse) -> bool:
        is_listed = use.address in listed.get(process.view or "", ())
        return process.follows is Follows.NO and is_listed and not use.ignored and not use.rules

    return _grouped(snapshot, would_stay)


def without_answers(snapshot: Snapshot) -> list[Group]:
    """Return the groups of flagged processes whose queries stay unanswered."""
    return _grouped(snapshot, lambda _, use: is_unanswered(use))


def _grouped(snapshot: Snapshot, belongs: Callable[[ProcessSnapshot, NameserverUse], bool]) -> list[Group]:
    gathered: dict[tuple[str, str, str], _Gathering] = {}
    for process in snapshot.processes:
        if process.worker:
            continue
        for use in process.nameservers:
            if belongs(process, use):
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
    """Return the systemd unit, else the container's short id, else an empty string."""
    return printable(process.unit or (process.container or "")[:_SHORT_ID])
