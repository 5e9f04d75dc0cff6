"""What ``wait`` prints: a line of progress, one line at the end, and JSON. Pure functions of what the daemon says."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from exporter.escape import printable
from exporter.feed.change_status import ChangeStatus, User
from exporter.feed.check_json import SCHEMA
from exporter.feed.serialization import encode
from exporter.text.durations import age, short
from exporter.text.report import when

__all__ = ["Waited", "as_json", "last_line", "progress"]

_MOST_NAMES = 5
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Waited:
    """How the waiting ended. ``exited``: those that exited while it went on. ``timeout``: seconds it was given."""

    status: ChangeStatus
    exited: Collection[int]
    decided: bool
    timeout: int


def progress(status: ChangeStatus) -> str:
    """Return how many are decided, how many are not, and what is left of the grace period."""
    ends = [user.grace_until for user in status.undecided if user.grace_until is not None]
    left = max(max(ends, default=0) - status.time, 0)
    text = f"{_decided(status)} decided, {_number(status.undecided)} undecided"
    return f"{text}; {-(-left // _SECOND)} s of the grace period left" if left else text


def _decided(status: ChangeStatus) -> int:
    return sum(map(_number, (status.stale, status.quiet, status.outdated))) + len(status.followed)


def _number(users: Sequence[User]) -> int:
    return len({user.pid for user in users})


def last_line(waited: Waited) -> str:
    """Return the outcome: what is stale comes first, then whoever has to be named."""
    status = waited.status
    if not waited.decided:
        undecided = status.undecided
        names = f"{_number(undecided)} undecided: {_names(undecided)}; " if undecided else ""
        return f"not decided within {short(waited.timeout)}: {names}{_change_of(status)}"
    parts = [
        f"{_number(users)} {word}: {_names(users)}"
        for word, users in (("stale", status.stale), ("outdated", status.outdated), ("quiet", status.quiet))
        if users
    ]
    counted = [("followed", len(status.followed)), ("exited", len(waited.exited))]
    parts += [f"{number} {word}" for word, number in counted if number]
    if not status.changes:
        return "; ".join([_change_of(status), *parts])
    return f"decided: {'; '.join(parts or ['nobody queried what was removed'])}; {_change_of(status)}"


def _change_of(status: ChangeStatus) -> str:
    if not status.changes:
        return f"nothing to wait for: no resolv.conf changed since {when(status.watching_since, status.time)}"
    change = status.changes[0]
    removed = f"removed {', '.join(change.removed)}" if change.removed else "removed nothing"
    return printable(f"{change.path} {removed} {age(change.changed_at, status.time)} ago")


def _names(users: Sequence[User]) -> str:
    """Name units, pods and containers once, other processes by pid."""
    names = list(dict.fromkeys(map(_name, users)))
    more = [f"{len(names) - _MOST_NAMES} more"] if len(names) > _MOST_NAMES else []
    return ", ".join([*names[:_MOST_NAMES], *more])


def _name(user: User) -> str:
    place = user.unit or (f"pod {user.pod}" if user.pod else None)
    if place is None and user.container:
        place = f"container {user.container[:12]}"
    return printable(place or f"{user.comm} (pid {user.pid})")


def as_json(waited: Waited) -> dict[str, object]:
    """Return the outcome as an object."""
    form = encode(waited.status)
    del form["tracked"]
    return {"schema": SCHEMA, "decided": waited.decided, **form, "exited": sorted(waited.exited)}
