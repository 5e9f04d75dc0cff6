"""From the ledger to the one snapshot of a tick. Only processes that changed are written again."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from sys import intern

from tracer.clock import Clock
from tracer.kernel.losses import Lost
from tracer.kernel.probes import Probes
from tracer.ledger.last_answers import LastAnswers
from tracer.ledger.ledger import Ledger
from tracer.ledger.process import Process
from tracer.lookups import LookupPath
from tracer.report.advice import Background, reason_and_advice
from tracer.report.commands import Command, Commands
from tracer.report.follows import follows
from tracer.report.services import LookupServices, service_of
from tracer.report.snapshot import (
    GenerationView,
    Health,
    LastRead,
    NameserverUse,
    PastUse,
    ProcessSnapshot,
    Snapshot,
    ViewSnapshot,
)
from tracer.resolvconf.view import HOST, View
from tracer.resolvconf.view_table import ViewTable
from tracer.verdict.states import State
from tracer.version import VERSION

_WALL_STEADY = 20_000_000
"""Nanoseconds."""
_THROUGH_SERVICES = frozenset({LookupPath.NSCD, LookupPath.RESOLVED, LookupPath.SSSD, LookupPath.MIXED})
"""For clients on these paths the state of the service is shown."""


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

    def __init__(
        self,
        ledger: Ledger,
        views: ViewTable,
        probes: Probes,
        clock: Clock,
        unidentified: Mapping[str, int],
        commands: Commands,
    ) -> None:
        self._ledger = ledger
        self._unidentified = unidentified
        self._views = views
        self._probes = probes
        self._clock = clock
        self._commands = commands
        self._kernel = platform.release()
        self._watching_since = clock.boot()
        self._wall = Wall(clock.wall() - clock.boot())
        self._host = ledger.host.history
        self._services: set[Process] = set()
        self._written: dict[Process, ProcessSnapshot] = {}
        self._background = self._new_background()

    @property
    def wall(self) -> Wall:
        """What makes boot times into wall-clock times now."""
        return self._wall

    def describe(self, process: Process) -> ProcessSnapshot:
        """Write one process down, as of the last snapshot; it may have exited since."""
        return process_snapshot(process, self._background, self._wall, self._commands.of(process))

    def _new_background(self) -> Background:
        services = LookupServices(self._services)
        ledger = self._ledger
        return Background(self._host, self._watching_since, services, ledger.identity_of, ledger.last_answers)

    def make(self, counted_until: int) -> Snapshot:
        """Write down what is true now, with the queries until a time."""
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
            views=tuple(view_snapshot(view, wall, ledger.host) for view in shown.values()),
            processes=tuple(self._written.values()),
            watching_since=wall(self._watching_since),
            counted_until=wall(counted_until),
            past_uses=tuple(
                PastUse(key.nameserver, key.unit, key.exe, key.view, use.queries, wall(use.last))
                for key, use in ledger.past_uses.uses.items()
            ),
            queries_total=dict(ledger.queries_total),
            changes_total=changes,
            health=Health(
                lost={
                    **self._probes.losses(),
                    **ledger.lost,
                    unreadable: ledger.lost[unreadable] + self._views.reader.unreadable,
                },
                unidentified=dict(self._unidentified),
                probes=self._probes.health(),
            ),
            maps=self._probes.map_health(),
            ready=self._probes.ready,
        )

    def with_commands(self, snapshot: Snapshot) -> Snapshot:
        """Give the latest snapshot with the command lines, reading those that have not been read."""
        read = self._commands.read(self._written)
        if not read:
            return snapshot
        for process in read:
            self._written[process] = replace(self._written[process], command=self._commands.of(process))
        return replace(snapshot, processes=tuple(self._written.values()))

    def _write_changed(self, now: int, wall_now: int) -> None:
        """Bring what is written of each process up to date; only what has changed is written again.

        The wall clock's distance to the boot clock is kept until it has moved by more than it is adjusted in a
        minute or two (adjtimex(2)): all times would be written again for less than anybody sees.
        """
        changed = self._ledger.take_unreported()
        tracked = self._ledger.tracked
        services = self._services & tracked
        has_service_left = len(services) < len(self._services)
        self._services = services | {process for process in changed & tracked if service_of(process) is not None}
        if abs(wall_now - now - self._wall.offset) > _WALL_STEADY or self._host is not self._ledger.host.history:
            self._wall, self._host = Wall(wall_now - now), self._ledger.host.history
            changed = tracked
        elif has_service_left or not changed.isdisjoint(self._services):
            changed = changed | {process for process in tracked if process.lookup_path in _THROUGH_SERVICES}
        self._background = self._new_background()
        for process in changed & tracked:
            self._written[process] = self.describe(process)
        if len(self._written) > len(tracked):
            self._written = {process: written for process, written in self._written.items() if process in tracked}
            self._commands.keep(tracked)


def view_snapshot(view: View, wall: Wall, host: View | None = None) -> ViewSnapshot:
    """Write down one view; ``host`` is the one that PID 1 sees."""
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
        removed=view.history.removed_last,
        same_as_host=host is not None and (view.directory, view.file) == (host.directory, host.file),
    )


def process_snapshot(
    process: Process, background: Background, wall: Wall, command: Command | None = None
) -> ProcessSnapshot:
    """Write down one process."""
    identity = process.identity
    reason, advice = reason_and_advice(process, background)
    would_follow, why = follows(process, background.services, background.watching_since)
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
        nameservers=tuple(_uses(process, wall, background.last_answers)),
        # Thousands say the same.
        reason=intern(reason),
        advice=intern(advice),
        follows=would_follow,
        follows_reason=intern(why),
        command=command,
    )


def _last_read(process: Process, wall: Wall) -> LastRead | None:
    read = process.last_read
    return LastRead(read.generation, wall(read.at)) if read else None


def _reads(process: Process, wall: Wall) -> tuple[LastRead, ...]:
    return tuple(LastRead(read.generation, wall(read.at)) for read in process.reads)


def _uses(process: Process, wall: Wall, last_answers: LastAnswers) -> list[NameserverUse]:
    last_answer = process.last_answer
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
            removed_in=pair.removed.generation if pair.removed else None,
            grace_until=wall(pair.removed.grace_until) if pair.removed else None,
            answers=pair.answering.answers(last_answer, last_answers.of(key)),
            last_answer=wall.maybe(pair.answering.last or None),
        )
        for key, pair in process.pairs.items()
        for (port, transport), use in pair.uses.items()
    ]
