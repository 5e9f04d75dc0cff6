"""The observer: makes of the kernel side's records and counts what the ledger needs to know, and reads all of it first.

A record is looked into as it comes, since whoever it is about may have exited in a moment; the counts of a tick when it
ends.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from tracer.clock import Clock
from tracer.identity import Identity
from tracer.kernel.losses import Lost, Unidentified
from tracer.kernel.records import (
    KernelProcess,
    ProcessFlag,
    Queries,
    QueryKey,
    Record,
    RecordKind,
    Sharer,
    Subject,
    text,
)
from tracer.lookups import Transport
from tracer.observation.lineage import Lineage
from tracer.observation.machine import Machine, lost_subject
from tracer.observation.steady import SteadyQueries
from tracer.observation.values import (
    Batch,
    FileRead,
    Newcomer,
    NscdUsed,
    Observation,
    OtherFileOpened,
    ProcessKey,
    ProcessLeft,
    QueriesSent,
    ReadUndone,
    Relative,
    SocketTried,
    key_of,
    owner_key_of,
)
from tracer.observe.nscd import NscdClients
from tracer.resolvconf.addresses import canonical
from tracer.resolvconf.view import RESOLV_CONF, View
from tracer.verdict import verdict
from tracer.verdict.answers import AnswersSeen

_TRANSPORTS = {1: Transport.UDP, 2: Transport.TCP, 3: Transport.TLS}
_MOST_RELATIVES = 4096


class KeptResolverState(Protocol):
    """Its resolver state."""

    @property
    def id(self) -> int:
        """Its number."""


class Kept(Protocol):
    """A process that the ledger keeps, as far as the observer looks at it."""

    @property
    def id(self) -> tuple[int, int, int]:
        """Pid, birth and number of execs."""

    @property
    def identity(self) -> Identity:
        """Who it is."""

    @property
    def root(self) -> int:
        """Its root directory, as the kernel side numbers it."""

    @property
    def res_state(self) -> KeptResolverState:
        """Its resolver state."""

    @property
    def view(self) -> View | None:
        """The view that it is judged by; None if it could not be found so far."""

    @property
    def upstreams(self) -> View | None:
        """The view that a forwarder takes its nameservers from."""


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
        self._kept = kept
        self._lost = lost
        self._unidentified = unidentified
        self._nscd_clients = NscdClients(machine.maps_hosts_table)
        self._observed: list[Observation] = []
        self._newcomers: dict[ProcessKey, Newcomer] = {}
        self._perhaps_left: list[ProcessLeft] = []
        self._left: set[tuple[int, int, int]] = set()
        self._owed: dict[QueryKey, int] = {}
        self._steady = steady
        self._counted: list[tuple[QueryKey, Queries, QueriesSent]] = []

    # Records, as they come.

    def record(self, record: Record) -> None:
        """Take in one ring buffer record."""
        subject = self._identified(record.subject)
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

    def _identified(self, subject: Subject) -> Subject:
        """Fill in when it was forked, if the kernel side did not see that and has it by now."""
        if subject.birth:
            return subject
        entry = self._lineage.process(subject.tgid)
        birth = entry.birth if entry else 0
        if subject.owner_tgid == subject.tgid:
            return subject._replace(birth=birth, owner_birth=birth)
        return subject._replace(birth=birth)

    def _leaves(self, left: ProcessLeft) -> None:
        self._observed.append(left)
        if left.subject.flags & ProcessFlag.FORKED:
            self._left.add((left.subject.tgid, left.subject.birth, left.subject.res_state_id))

    def leave(self, process_id: tuple[int, int, int], state: int) -> None:
        """Note that a process has exited, or called exec, while nobody watched."""
        self._leaves(ProcessLeft(0, lost_subject(process_id)._replace(res_state_id=state)))

    def _tried(self, record: Record) -> None:
        if self._kept(key_of(record.subject)) is None and key_of(record.subject) not in self._newcomers:
            self._nscd_clients.note(record.subject)
            return
        self._meet(record.subject)
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
            if view is None and path:
                self._undo_read(record, path)
                return
        self._enter_read(record, view, absent)

    def _undo_read(self, record: Record, path: str) -> None:
        """Note that a process opened another file by a name that its own could have."""
        self._meet(record.subject, record.line)
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
        self._meet(record.subject, record.line)
        subject = record.subject
        if record.shared & Sharer.BY_CHILDREN:
            self._left.add((subject.tgid, subject.birth, record.res_state_id_before))
        self._observed.append(
            FileRead(record.time, subject, record.res_state_id_before, bool(record.shared), view, absent, record.line)
        )
        # Of many that read at the same time the first one's look is late enough for all.
        if view is not None and record.time > view.looked:
            self._machine.look_at(view)

    def _has_gone(self, subject: Subject) -> bool:
        """Tell whether a process has exited and has left nobody who would go on with what it read."""
        entry = self._lineage.process(subject.tgid)
        return (entry is None or entry.birth != subject.birth) and not subject.flags & ProcessFlag.FORKED

    def _opened(self, record: Record) -> None:
        """Tell whether a file of that name, opened by another path, is one that the process is judged by."""
        path = text(record.path)
        kept = self._kept(key_of(record.subject))
        if kept is not None and kept.upstreams is not None and path == kept.upstreams.path:
            self._enter_read(record._replace(res_state_id_before=record.subject.res_state_id), kept.upstreams, "")
        elif self._machine.is_its_resolv_conf(record.subject, record.inode, record.device):
            self._number(record)
        elif posixpath.isabs(path):
            self._meet(record.subject)
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
        sent = self._queries(counted, observed)
        now = [one for one in observed if one.at <= until]
        self._observed = [one for one in observed if one.at > until]
        concerned = {key for one in (*sent, *now) for key in (key_of(one.subject), owner_key_of(one.subject))}
        steady = [*self._steady.after_grace_period(), *self._steady.take(concerned)]
        batch = Batch(until, [*map(self._checked, steady), *sent, *now])
        self._steady.retire(key_of(one.subject) for one in now if isinstance(one, FileRead | ReadUndone | ProcessLeft))
        if nscd:
            for subject in self._nscd_clients.take_confirmed():
                self._meet(subject)
                batch.observations.append(NscdUsed(until, subject))
        batch.relatives = self._relatives(batch)
        batch.newcomers, self._newcomers = self._newcomers, {}
        for one in self._observed:  # what comes next needs them again
            if key_of(one.subject) in batch.newcomers:
                self._newcomers[key_of(one.subject)] = batch.newcomers[key_of(one.subject)]
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
        for key, value, sent in self._counted:
            if is_steady(sent):
                self._steady.keep(key, value, sent)
        self._counted.clear()

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

    def _relatives(self, batch: Batch) -> list[Relative]:
        """Find who goes on with the states that somebody left who forked, if the ledger keeps that one."""
        left = []
        for one in batch.observations:
            if isinstance(one, FileRead | ProcessLeft) and self._is_known(key_of(one.subject)):
                state = one.res_state_id_before if isinstance(one, FileRead) else one.subject.res_state_id
                left.append((one.subject.tgid, one.subject.birth, state))
        left = [one for one in left if one in self._left]
        self._left = {
            (
                one.subject.tgid,
                one.subject.birth,
                one.res_state_id_before if isinstance(one, FileRead) else one.subject.res_state_id,
            )
            for one in self._observed
            if isinstance(one, FileRead | ProcessLeft)
        } & self._left
        found = []
        for pid, entry in self._lineage.relatives_of(left)[:_MOST_RELATIVES] if left else ():
            subject = subject_of(pid, entry)
            self._meet(subject)
            found.append(Relative(key_of(subject), entry.res_state_id, entry.line))
        # Those that have read since, within the tick, have another state by now.
        readers = (
            [one for one in batch.observations if isinstance(one, FileRead | ReadUndone) and one.line] if left else []
        )
        found += [Relative(key_of(one.subject), one.res_state_id_before, one.line) for one in readers]
        return sorted(found, key=lambda one: len(one.line))

    def _is_known(self, key: ProcessKey) -> bool:
        return key in self._newcomers or self._kept(key) is not None

    def _queries(self, counted: Iterable[tuple[QueryKey, Queries]], observed: list[Observation]) -> list[Observation]:
        sent: list[Observation] = []
        owed, self._owed = self._owed, {}
        for key, value in counted:
            if key.tgid == 0 or key.transport not in _TRANSPORTS:
                self._lost[Lost.UNATTRIBUTED] += value.number
                continue
            number = value.number + owed.pop(key, 0)
            if number < 0 or not (number or value.answered):
                # The datagram that this makes up for was counted after the turn (bpf/counting.h, uncount_query).
                self._owed[key] = number
                continue
            subject = self._identified(value.subject)
            self._meet(subject)
            self._meet_owner(subject, observed)
            # The coarse clock may say less than the exact one.
            last = max(value.first, value.last)
            queries = verdict.Queries(number, value.first, last, value.previous, value.handshakes, value.strays)
            address = canonical(key.address, self._machine.interface(key.tgid, key.scope) if key.scope else None)
            transport = _TRANSPORTS[key.transport]
            answers = AnswersSeen(value.answered, value.unanswered, value.unanswered_since)
            one = QueriesSent(
                value.first, subject, address, key.netns, key.port, transport, queries, value.lookup, answers
            )
            sent.append(one)
            if number and transport is Transport.UDP and not key.scope and not key.tick_part:
                self._counted.append((key, value, one))
        return sent

    # Who it was.

    def _meet(self, subject: Subject, line: tuple[int, ...] | None = None) -> None:
        """Find out who a process is that the ledger does not keep, or what it sees from another root.

        ``line`` if it is known to have been another until now.
        """
        key = key_of(subject)
        if key in self._newcomers:
            return
        kept = self._kept(key)
        if kept is not None and kept.root == subject.root and kept.view is not None:
            return
        identity = kept.identity if kept is not None else self._machine.identify(subject)
        view = self._machine.own_view(subject)
        self._newcomers[key] = Newcomer(subject, identity, view, self._line(subject) if line is None else line)

    def _line(self, subject: Subject) -> tuple[int, ...]:
        entry = self._lineage.process(subject.tgid)
        is_same = entry is not None and (entry.birth, entry.res_state_id) == (subject.birth, subject.res_state_id)
        return entry.line if entry is not None and is_same else ()

    def _meet_owner(self, subject: Subject, observed: list[Observation]) -> None:
        key = owner_key_of(subject)
        if key == key_of(subject) or self._is_known(key):
            return
        entry = self._lineage.process(key.pid)
        if entry is not None and (entry.birth, entry.execs) == key[1:]:
            self._meet(subject_of(key.pid, entry))
            return
        left = [one.subject for one in observed if isinstance(one, ProcessLeft) and key_of(one.subject) == key]
        if left:
            self._meet(left[0])


def subject_of(pid: int, entry: KernelProcess) -> Subject:
    """Describe a living process by its entry in the kernel's map."""
    return Subject(
        birth=entry.birth,
        res_state_id=entry.res_state_id,
        root=entry.root,
        image=entry.image,
        parent_birth=entry.parent_birth,
        owner_birth=entry.birth,
        checked=entry.checked,
        cgroup=0,
        tgid=pid,
        execs=entry.execs,
        parent_tgid=entry.parent_tgid,
        owner_tgid=pid,
        owner_execs=entry.execs,
        uid=0,
        flags=entry.flags,
        comm=b"",
    )
