"""The observer: makes of the kernel side's records and counts what the ledger needs to know, and reads all of it first.

A record is identified as it comes, since whoever it is about may have exited in a moment; the counts of a tick when it
ends.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Callable, Collection, Iterable

from tracer.clock import Clock
from tracer.kernel.losses import Lost, Unidentified
from tracer.kernel.records import ProcessFlag, Queries, QueryKey, Record, RecordKind, Sharer, Subject, text
from tracer.observation.left_states import LeftStates
from tracer.observation.lineage import Lineage
from tracer.observation.machine import Machine, lost_subject
from tracer.observation.newcomers import Kept, Newcomers
from tracer.observation.steady import SteadyQueries
from tracer.observation.tick_queries import TickQueries
from tracer.observation.values import (
    Batch,
    FileRead,
    NscdUsed,
    Observation,
    OtherFileOpened,
    ProcessKey,
    ProcessLeft,
    QueriesSent,
    ReadUndone,
    SocketTried,
    key_of,
    owner_key_of,
)
from tracer.observe.nscd import NscdClients
from tracer.resolvconf.view import RESOLV_CONF, View

_MOST_REFRESHES = 20
"""Of a view in a tick, each for another reader; after that it is refreshed again after so many nanoseconds:"""
_REFRESH_AGAIN = 50_000_000


class Observer:
    """Gathers a tick's observations."""

    def __init__(
        self,
        machine: Machine,
        lineage: Lineage,
        clock: Clock,
        kept: Callable[[ProcessKey], Kept | None],
        steady: SteadyQueries,
        lost: Counter[str],
        unidentified: Counter[str],
    ) -> None:
        """``kept`` finds a process that the ledger keeps already."""
        self._machine = machine
        self._lineage = lineage
        self._clock = clock
        self._lost = lost
        self._unidentified = unidentified
        self._newcomers = Newcomers(machine, lineage, kept)
        self._left_states = LeftStates(lineage, self._newcomers)
        self._tick_queries = TickQueries(machine, self._newcomers, lost)
        self._nscd_clients = NscdClients(machine.maps_hosts_table)
        self._observed: list[Observation] = []
        self._perhaps_left: list[ProcessLeft] = []
        self._read_at: dict[View, int] = {}
        self._refreshes: Counter[View] = Counter()
        self._steady = steady

    # Records, as they come.

    def record(self, record: Record) -> None:
        """Take in one ring buffer record."""
        subject = self._newcomers.identified(record.subject)
        record = record._replace(subject=subject)
        match record.kind:
            case RecordKind.READ:
                self._read(record)
            case RecordKind.OPENED:
                self._opened(record)
            case RecordKind.TRIED:
                self._tried(record)
            case RecordKind.EXECED | RecordKind.EXITED:
                self._nscd_clients.forget(subject)
                left = ProcessLeft(record.time, subject, record.kind == RecordKind.EXECED)
                if left.execed or record.result:
                    self._leaves(left)
                else:
                    self._perhaps_left.append(left)

    def _leaves(self, left: ProcessLeft) -> None:
        self._observed.append(left)
        self._left_states.note_left(left)

    def leave(self, process_id: tuple[int, int, int], state: int) -> None:
        """Note that a process has exited, or called exec, while nobody watched."""
        self._leaves(ProcessLeft(0, lost_subject(process_id)._replace(res_state_id=state)))

    def _tried(self, record: Record) -> None:
        if not self._newcomers.is_known(key_of(record.subject)):
            self._nscd_clients.note(record.subject)
            return
        self._newcomers.meet(record.subject)
        self._observed.append(SocketTried(record.time, record.subject, record.service))

    def _read(self, record: Record) -> None:
        path = text(record.path)
        if path == RESOLV_CONF:
            view, absent = self._machine.view_read(
                record.subject, (record.inode, record.device) if record.result >= 0 else None
            )
            if view is not None:
                self._machine.note_device(view, record.inode, record.device)
            if view is not None and record.result < 0:
                view.note_absent(record.time)
        else:
            view, absent = self._machine.view_of_file(record.subject, record.inode, record.device), ""
            if view is None and path and self._can_tell(record.subject):
                self._undo_read(record, path)
                return
        self._enter_read(record, view, absent)

    def _can_tell(self, subject: Subject) -> bool:
        """Tell whether it can be known which file is a process's own. If not, it most likely opened that one."""
        has_that_root = self._lineage.root_number(subject.tgid) == subject.root
        return has_that_root or self._machine.view(subject.tgid, subject.root, subject.parent_tgid) is not None

    def _undo_read(self, record: Record, path: str) -> None:
        """Note that a process opened another file by a name that its own could have."""
        self._newcomers.meet(record.subject, record.line)
        self._observed.append(ReadUndone(record.time, record.subject, record.res_state_id_before, record.line))
        if posixpath.isabs(path):
            self._observed.append(OtherFileOpened(record.time, record.subject, path))

    def _enter_read(self, record: Record, view: View | None, absent: str) -> None:
        if absent:
            self._unidentified[Unidentified.NO_RESOLV_CONF] += 1
        elif view is None and self._has_gone(record.subject):
            self._unidentified[Unidentified.VIEW_GONE] += 1
        elif view is None:
            self._lost[Lost.VIEW_UNREADABLE] += 1
        self._newcomers.meet(record.subject, record.line)
        read = FileRead(
            record.time, record.subject, record.res_state_id_before, record.shared, view, absent, record.line
        )
        if record.shared & Sharer.BY_CHILDREN:
            self._left_states.note_read(read)
        self._observed.append(read)
        if view is not None:
            self._read_at[view] = record.time

    def refresh_views_read(self, *, for_tick: bool = False) -> None:
        """Refresh the views that were read: what the readers found may be new.

        If there are very many readers, twenty times a second for all of them, and once ``for_tick``, before it takes
        what they read.
        """
        now = self._clock.boot()
        for view, at in list(self._read_at.items()):
            if for_tick or self._refreshes[view] < _MOST_REFRESHES or now - view.refreshed >= _REFRESH_AGAIN:
                del self._read_at[view]
                if at > view.refreshed:
                    self._refreshes[view] += 1
                    self._machine.refresh_view(view)
        if for_tick:
            self._refreshes.clear()

    def _has_gone(self, subject: Subject) -> bool:
        """Tell whether a process has exited and has left nobody who would go on with what it read."""
        entry = self._lineage.process(subject.tgid)
        return (entry is None or entry.birth != subject.birth) and not subject.flags & ProcessFlag.FORKED

    def _opened(self, record: Record) -> None:
        """Tell whether a file of that name, opened by another path, is one that the process is judged by."""
        path = text(record.path)
        kept = self._newcomers.kept(key_of(record.subject))
        if kept is not None and kept.upstreams is not None and path == kept.upstreams.path:
            self._enter_read(record._replace(res_state_id_before=record.subject.res_state_id), kept.upstreams, "")
        elif self._machine.is_its_resolv_conf(record.subject, record.inode, record.device):
            self._number(record)
        elif posixpath.isabs(path):
            self._newcomers.meet(record.subject)
            self._observed.append(OtherFileOpened(record.time, record.subject, path))

    def _number(self, record: Record) -> None:
        """Give a reader the state of its own that the kernel side, which did not know the file, did not give it."""
        entry = self._lineage.process(record.subject.tgid)
        if entry is None or entry.birth != record.subject.birth:
            return
        state = self._lineage.fresh_state(self._clock.boot())
        self._lineage.enter(record.subject.tgid, entry._replace(res_state_id=state, line=()))
        shared = (Sharer.BY_CHILDREN if entry.flags & ProcessFlag.FORKED else 0) | (
            Sharer.BY_ANCESTORS if entry.line else 0
        )
        subject = record.subject._replace(res_state_id=state)
        view, absent = self._machine.view_read(subject, (record.inode, record.device))
        self._enter_read(
            record._replace(subject=subject, res_state_id_before=entry.res_state_id, shared=shared, line=entry.line),
            view,
            absent,
        )

    # The end of a tick.

    def take(
        self, counted: Iterable[tuple[QueryKey, Queries]], until: int, perhaps_gone: Iterable[Kept], nscd: bool
    ) -> Batch:
        """Give all that happened until a time, and what was counted then.

        ``perhaps_gone``: processes whose exit may have been missed. ``nscd``: whether to check its clients for lookups.
        """
        self._check_left(perhaps_gone)
        observed, self._observed = self._observed, []
        sent = self._tick_queries.read(counted, observed)
        now = [one for one in observed if one.at <= until]
        self._observed = [one for one in observed if one.at > until]
        concerned = {key for one in (*sent, *now) for key in (key_of(one.subject), owner_key_of(one.subject))}
        steady = [*self._steady.after_grace_period(), *self._steady.take(concerned)]
        batch = Batch(until, [*map(self._checked, steady), *sent, *now])
        self._steady.retire(key_of(one.subject) for one in now if isinstance(one, FileRead | ReadUndone | ProcessLeft))
        if nscd:
            for subject in self._nscd_clients.take_confirmed():
                self._newcomers.meet(subject)
                batch.observations.append(NscdUsed(until, subject))
        batch.relatives = self._left_states.relatives(batch.observations, self._observed)
        batch.newcomers = self._newcomers.take(self._observed)
        return batch

    @property
    def has_news(self) -> bool:
        """Whether anything was observed that no tick has taken yet."""
        return bool(self._observed or self._perhaps_left)

    @property
    def has_nscd_clients(self) -> bool:
        """Whether clients of nscd have to be checked for lookups of names."""
        return self._nscd_clients.has_waiting

    # Queries that the kernel side counts on its own.

    def take_steady(self) -> list[QueriesSent]:
        """Give what was queried of which more changes nothing: it belongs to no tick."""
        return [self._checked(one) for one in self._steady.take_all()]

    def wake(self, processes: Collection[tuple[int, int, int]]) -> None:
        """Note that something changes for these processes: what they queried until now, and in which ticks from now."""
        self._observed += self._steady.take(processes)
        self._steady.retire(processes)

    def rest(self, is_steady: Callable[[QueriesSent], bool]) -> None:
        """Let the kernel side count on its own what was queried in this tick, as far as more of it changes nothing."""
        for key, value, sent in self._tick_queries.take_datagrams():
            if is_steady(sent):
                self._steady.keep(key, value, sent)

    def _checked(self, sent: QueriesSent) -> QueriesSent:
        """Fill in when the process last did a stat of resolv.conf, which was not reported."""
        subject = sent.subject
        entry = self._lineage.process(subject.tgid)
        if entry is None or (entry.birth, entry.res_state_id) != (subject.birth, subject.res_state_id):
            return sent
        return sent._replace(subject=subject._replace(checked=max(entry.checked, subject.checked), flags=entry.flags))

    def _check_left(self, perhaps_gone: Iterable[Kept]) -> None:
        perhaps_left, self._perhaps_left = self._perhaps_left, []
        for left in perhaps_left:
            if not self._machine.is_alive(left.subject.tgid):
                self._leaves(left)
        for process in perhaps_gone:
            subject = self._machine.gone(process.id)
            if subject is not None:
                self._leaves(ProcessLeft(self._clock.boot(), subject._replace(res_state_id=process.res_state.id)))
