"""How far the last change of resolv.conf is decided, for ``resolvtrace wait``: a pure function of a snapshot."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from exporter.feed.top_table import stands_alone
from tracer.report.snapshot import (
    Address,
    NameserverUse,
    Number,
    Pid,
    Pod,
    ProcessSnapshot,
    Snapshot,
    Time,
    ViewId,
    ViewSnapshot,
)
from tracer.verdict.states import State

__all__ = ["Change", "ChangeStatus", "User", "change_status"]

_ONE_CHANGE = 120_000_000_000
"""Files that change within this time are taken for one change: a chroot's copy is written after the host's file."""
_FLAG_DELAY = 2_000_000_000
"""Queries right after the grace period may raise the flag this much later: not before that is a process quiet."""


@dataclass(frozen=True, slots=True)
class Change:
    """A resolv.conf that changed."""

    view: ViewId
    path: str
    generation: Number
    nameservers: tuple[Address, ...]
    removed: tuple[Address, ...]
    changed_at: Time


@dataclass(frozen=True, slots=True)
class User:
    """A process and the removed nameserver that it queried."""

    pid: Pid
    comm: str
    unit: str | None
    container: str | None
    pod: Pod | None
    nameserver: Address
    grace_until: Time | None
    last_query: Time | None
    reason: str
    advice: str


@dataclass(frozen=True, slots=True)
class ChangeStatus:
    """How far the last change is decided.

    ``changes``: what changed last, newest first, empty if nothing did. ``stale`` is whoever is stale, of any change.
    ``outdated`` have a copy of resolv.conf that still lists what the host's file dropped. ``tracked`` is everybody.
    """

    time: Time
    watching_since: Time
    changes: tuple[Change, ...]
    undecided: tuple[User, ...]
    stale: tuple[User, ...]
    quiet: tuple[User, ...]
    outdated: tuple[User, ...]
    followed: tuple[Pid, ...]
    tracked: tuple[Pid, ...]


def change_status(snapshot: Snapshot) -> ChangeStatus:
    """Sort those who queried what the last change removed, and who is still undecided about one before."""
    changes = _last_change(snapshot)
    latest = {view.id: view.generation for view in changes}
    dropped = {address for view in changes if view.id == "host" for address in view.removed}
    states = {process.pid: process.state for process in snapshot.processes}
    shown = [process for process in snapshot.processes if stands_alone(process, states)]
    sorted_out: dict[str, list[tuple[ProcessSnapshot, NameserverUse]]] = {}
    for process in shown:
        is_last = latest.get(process.view or "")
        for use in _by_address(process):
            group = _group(use, snapshot.time, is_last, dropped)
            sorted_out.setdefault(group, []).append((process, use))

    def users(group: str) -> tuple[User, ...]:
        return tuple(_user(process, use) for process, use in sorted_out.get(group, ()))

    return ChangeStatus(
        time=snapshot.time,
        watching_since=snapshot.watching_since,
        changes=tuple(map(_change, changes)),
        undecided=users("undecided"),
        stale=users("stale"),
        quiet=users("quiet"),
        outdated=users("outdated"),
        followed=tuple(dict.fromkeys(process.pid for process, _ in sorted_out.get("followed", ()))),
        tracked=tuple(process.pid for process in shown),
    )


def _group(use: NameserverUse, now: int, last: int | None, dropped: Collection[str]) -> str:
    """Name the group of a process's use of a nameserver. ``last``: the generation that its view's last change made."""
    is_last = use.removed_in is not None and use.removed_in == last
    is_open = use.state is State.GRACE or (use.grace_until is not None and now <= use.grace_until + _FLAG_DELAY)
    match use.state:
        case State.STALE:
            return "stale"
        case State.GRACE | State.QUIET if is_open:
            return "undecided"
        case State.QUIET if is_last:
            return "quiet"
        case State.RETIRED if is_last:
            return "followed"
        case State.OUTDATED if use.address in dropped:
            return "outdated"
        case _:
            return "unconcerned"


def _last_change(snapshot: Snapshot) -> list[ViewSnapshot]:
    changed = [view for view in snapshot.views if view.generation > 1]
    newest = max((view.changed_at for view in changed), default=0)
    last = [view for view in changed if newest - view.changed_at <= _ONE_CHANGE]
    return sorted(last, key=lambda view: view.changed_at, reverse=True)


def _by_address(process: ProcessSnapshot) -> list[NameserverUse]:
    """Return one use for each nameserver: over all ports and transports the state is the same."""
    return list({use.address: use for use in process.nameservers if not use.ignored}.values())


def _change(view: ViewSnapshot) -> Change:
    return Change(view.id, view.path, view.generation, view.nameservers, view.removed, view.changed_at)


def _user(process: ProcessSnapshot, use: NameserverUse) -> User:
    return User(
        process.pid,
        process.comm,
        process.unit,
        process.container,
        process.pod,
        use.address,
        use.grace_until,
        use.last_query,
        process.reason,
        process.advice,
    )
