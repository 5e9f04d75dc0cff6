"""From the ledger to the one snapshot of a tick. Only processes that changed are written anew."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from sys import intern

from tracer.advice import Background, reason_and_advice
from tracer.clock import Clock
from tracer.kernel.probes import Probes
from tracer.ledger import Ledger
from tracer.losses import Lost
from tracer.process import Process
from tracer.services import LookupServices, service_of
from tracer.snapshot import (
    GenerationView,
    LastRead,
    LookupPath,
    NameserverUse,
    PastUse,
    ProcessSnapshot,
    Snapshot,
    State,
    ViewSnapshot,
)
from tracer.version import VERSION
from tracer.view import View
from tracer.views import HOST, ViewTable

_WALL_STEADY = 20_000_000
"""Nanoseconds."""
_THROUGH_SERVICES = frozenset({LookupPath.NSCD, LookupPath.RESOLVED, LookupPath.SSSD, LookupPath.MIXED})
"""Of clients on these paths it is told how the service fares."""


@dataclass(frozen=True, slots=True)
class Wall:
    """Makes boot times into wall-clock times."""

    offset: int

    def __call__(self, boot: int) -> int:
        """Nanoseconds since the Unix epoch."""
        return boot + self.offset

    def maybe(self, boot: int | None) -> int | None:
        """Keep what is not known not known."""
        return None if boot is None else boot + self.offset


class Snapshots:
    """Makes snapshots."""

    def __init__(self, ledger: Ledger, views: ViewTable, probes: Probes, clock: Clock) -> None:
        self._ledger = ledger
        self._views = views
        self._probes = probes
        self._clock = clock
        self._kernel = platform.release()
        self._watching_since = clock.boot()
        self._wall = Wall(clock.wall() - clock.boot())
        self._host = ledger.host.history
        self._services: set[Process] = set()
        self._written: dict[Process, ProcessSnapshot] = {}

    def make(self) -> Snapshot:
        """Write down what is true now."""
        now, wall_now = self._clock.boot(), self._clock.wall()
        self._write_changed(now, wall_now)
        wall = self._wall
        ledger = self._ledger
        views = {id(process.view): process.view for process in self._written if process.view is not None}
        shown = {id(ledger.host): ledger.host, **views}
        changes = {HOST: ledger.host.changes, "~other": 0}
        for view in self._views.views.values():
            changes["~other"] += view.changes if view is not ledger.host else 0
        unreadable = Lost.VIEW_UNREADABLE
        return Snapshot(
            time=wall_now,
            version=VERSION,
            bcc=self._probes.bcc,
            kernel=self._kernel,
            views=tuple(view_snapshot(view, wall) for view in shown.values()),
            processes=tuple(self._written.values()),
            watching_since=wall(self._watching_since),
            past_uses=tuple(
                PastUse(key.nameserver, key.unit, key.exe, key.view, use.queries, wall(use.last))
                for key, use in ledger.departed.uses.items()
            ),
            queries_total=dict(ledger.queries_total),
            changes_total=changes,
            lost={**self._probes.losses(), **ledger.lost, unreadable: ledger.lost[unreadable] + self._views.unreadable},
            probes=self._probes.health(),
            maps=self._probes.map_health(),
            ready=self._probes.ready,
        )

    def _write_changed(self, now: int, wall_now: int) -> None:
        """Bring what is written of each process up to date; only what has changed is written anew.

        The wall clock's distance to the boot clock is kept until it has moved by more than it is adjusted in a
        minute or two (adjtimex(2)): all times would be written anew for less than anybody sees.
        """
        changed = self._ledger.take_unwritten()
        tracked = self._ledger.tracked
        self._services &= tracked
        self._services |= {process for process in changed if service_of(process) is not None}
        if abs(wall_now - now - self._wall.offset) > _WALL_STEADY or self._host is not self._ledger.host.history:
            self._wall, self._host = Wall(wall_now - now), self._ledger.host.history
            changed = tracked
        elif not changed.isdisjoint(self._services):
            changed = changed | {process for process in tracked if process.lookup_path in _THROUGH_SERVICES}
        background = Background(self._host, self._watching_since, LookupServices(self._services))
        for process in changed:
            self._written[process] = process_snapshot(process, background, self._wall)
        if len(self._written) > len(tracked):
            self._written = {process: written for process, written in self._written.items() if process in tracked}


def view_snapshot(view: View, wall: Wall) -> ViewSnapshot:
    """Write down one view."""
    generations = view.history.generations
    ends = [*(one.began for one in generations[1:]), None]
    current = view.history.current
    return ViewSnapshot(
        id=view.id,
        mount_ns=view.mount_ns,
        path=view.path,
        generation=current.number,
        nameservers=current.conf.nameservers,
        also_listed=current.conf.also_listed,
        implicit=current.conf.implicit,
        changed_at=wall(current.began),
        history=tuple(
            GenerationView(one.number, one.conf.nameservers, wall(one.began), wall.maybe(end))
            for one, end in zip(generations, ends, strict=True)
        ),
    )


def process_snapshot(process: Process, background: Background, wall: Wall) -> ProcessSnapshot:
    """Write down one process."""
    identity = process.identity
    reason, advice = reason_and_advice(process, background)
    return ProcessSnapshot(
        pid=process.pid,
        started_at=wall.maybe(process.id.birth or None),
        comm=identity.comm or "?",
        exe=identity.exe,
        uid=identity.uid,
        unit=identity.unit,
        container=identity.container,
        pod=identity.pod,
        view=process.view.id if process.view else None,
        owner=process.owner.pid,
        worker=process.is_worker,
        workers=process.workers_seen,
        lookup_path=process.lookup_path,
        last_read=_last_read(process, wall),
        reads=_reads(process, wall),
        looked_at=wall.maybe(process.checked or None),
        answered_at=wall.maybe(process.answered or None),
        state=process.worst,
        stale_since=wall.maybe(process.flagged),
        nameservers=tuple(_uses(process, wall)),
        # Thousands say the same.
        reason=intern(reason),
        advice=intern(advice),
    )


def _last_read(process: Process, wall: Wall) -> LastRead | None:
    at, view = process.last_read, process.read_view or process.view
    if at is None or view is None:
        return None
    return LastRead(view.history.at(at).number, wall(at))


def _reads(process: Process, wall: Wall) -> tuple[LastRead, ...]:
    view = process.read_view or process.view
    if view is None:
        return ()
    return tuple(LastRead(view.history.at(read.at).number, wall(read.at)) for read in process.reads)


def _uses(process: Process, wall: Wall) -> list[NameserverUse]:
    return [
        NameserverUse(
            address=key.address,
            port=port,
            transport=transport,
            state=pair.state,
            queries=use.queries,
            queries_since_removed=use.since_removed,
            worker_queries=use.worker_queries,
            first_query=wall.maybe(use.first),
            last_query=wall.maybe(use.last),
            stale_since=wall.maybe(pair.evidence.flagged) if pair.state is State.STALE else None,
            rules=pair.ruling.names if pair.ruling else (),
            ignored=pair.ignored,
        )
        for key, pair in process.pairs.items()
        for (port, transport), use in pair.uses.items()
    ]
