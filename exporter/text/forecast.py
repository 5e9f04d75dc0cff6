"""Who would stay with a nameserver if resolv.conf listed it no more: from a snapshot alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tracer.identity import Identity
from tracer.report.cures import restart
from tracer.report.snapshot import NameserverUse, ProcessSnapshot, Snapshot, ViewSnapshot
from tracer.verdict.following import Follows
from tracer.verdict.states import State

__all__ = ["Forecast", "Prospect", "Would", "forecast"]


class Would(StrEnum):
    """What a process would do."""

    STAY = "stay"
    UNKNOWN = "unknown"
    FOLLOW = "follow"


_WORST = list(Would)
_WOULD = {Follows.NO: Would.STAY, Follows.UNKNOWN: Would.UNKNOWN, Follows.YES: Would.FOLLOW}
_HOST = "host"
_GONE = frozenset({State.RETIRED})


@dataclass(frozen=True, slots=True)
class Prospect:
    """One process: what it would do, why, and what to do if it would stay.

    ``uses``: which of the nameservers it queries; none if a service does that for it.
    """

    process: ProcessSnapshot
    would: Would
    reason: str
    advice: str
    uses: tuple[NameserverUse, ...]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What would come if the nameservers were removed; ``unlisted`` are those of them that no resolv.conf lists."""

    nameservers: tuple[str, ...]
    unlisted: tuple[str, ...]
    prospects: tuple[Prospect, ...]
    tracked: int
    """How many processes are tracked at all."""

    def that(self, would: Would) -> list[Prospect]:
        """Return those that would do this, and query one of the nameservers themselves."""
        return [one for one in self.prospects if one.would is would and one.uses]


def forecast(snapshot: Snapshot, wanted: Iterable[str] = ()) -> Forecast:
    """Return the forecast for these nameservers, or for all that are listed.

    A worker is left out, since its owner's forecast is taken over its queries too; and so is what rules ignore, or
    expect whatever the file says.
    """
    listed = list(dict.fromkeys(address for view in snapshot.views for address in _listed(view)))
    nameservers = tuple(dict.fromkeys(wanted)) or tuple(listed)
    views = {view.id: view for view in snapshot.views}
    pids = {process.pid for process in snapshot.processes}
    prospects = [
        _prospect(process, nameservers, views)
        for process in snapshot.processes
        if not (process.worker and process.owner in pids)
    ]
    return Forecast(
        nameservers,
        tuple(address for address in nameservers if address not in listed),
        tuple(one for one in prospects if one is not None),
        len(snapshot.processes),
    )


def _listed(view: ViewSnapshot | None) -> tuple[str, ...]:
    return (*view.nameservers, *view.also_listed) if view is not None else ()


def _prospect(
    process: ProcessSnapshot, nameservers: tuple[str, ...], views: dict[str, ViewSnapshot]
) -> Prospect | None:
    uses = tuple(
        use
        for use in process.nameservers
        if use.address in nameservers and not use.ignored and not use.rules and use.state not in _GONE
    )
    if not uses and process.nameservers:
        return None
    found = [_of_use(process, use, views) for use in uses] or [(_WOULD[process.follows], process.follows_reason, "")]
    would, reason, advice = min(found, key=lambda one: _WORST.index(one[0]))
    return Prospect(process, would, reason, advice, uses)


def _of_use(process: ProcessSnapshot, use: NameserverUse, views: dict[str, ViewSnapshot]) -> tuple[Would, str, str]:
    """Tell what it would do with one nameserver, why, and what to do: by where it has that from."""
    view, host = views.get(process.view or ""), views.get(_HOST)
    if use.address in _listed(view):
        if view is not None and not view.same_as_host and view is not host and use.address in _listed(host):
            reason = f"goes by its own {view.path}, which lists it too: a change of the host's leaves that as it is"
            return Would.STAY, reason, "change that file too, or restart what made it from the host's"
    elif use.state is State.UNLISTED and view is not None:
        reason = "its resolv.conf does not list it: its own configuration names it"
        return Would.STAY, reason, f"change {use.address} in its own configuration"
    elif use.state is State.SUSPECT:
        return Would.UNKNOWN, "is older than its resolv.conf: what that listed before is not known", ""
    if process.follows is not Follows.NO:
        return _WOULD[process.follows], process.follows_reason, ""
    advice = process.advice if process.state is State.STALE else f"after the change, {_restart(process)}"
    return Would.STAY, process.follows_reason, advice


def _restart(process: ProcessSnapshot) -> str:
    identity = Identity(process.comm, process.exe, process.uid, process.unit, process.container, process.pod)
    return restart(identity, process.pid)
