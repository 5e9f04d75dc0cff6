"""The ledger: what every tracked process did, from the kernel side's records and counts.

It keeps the books and asks the verdict; it decides nothing itself. Three things come in: records as they happen, the
queries of a tick, and views that changed. What goes out is the set of processes, each with its pairs' states.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from tracer.addresses import canonical
from tracer.clock import Clock
from tracer.departed import Departed
from tracer.judge import Judge
from tracer.kernel.records import Flag, KernelProcess, Queries, QueryKey, Record, RecordKind, text
from tracer.lineage import Lineage
from tracer.losses import Lost, none_lost
from tracer.nscd import NscdClients
from tracer.outlooks import Outlooks, Sight
from tracer.population import Population, Registry
from tracer.process import Pair, PairKey, Process, ProcessId, Read, Use
from tracer.rules import Policy
from tracer.snapshot import State, Transport
from tracer.verdict import Burst, Suspend
from tracer.view import RESOLV_CONF, View

_TRANSPORTS = {1: Transport.UDP, 2: Transport.TCP, 3: Transport.TLS}
_MOST_PAIRS = 256
_MOST_FILES = 16


class Surroundings(Registry, Sight, Protocol):
    """What the ledger asks of the machine besides."""

    def is_view_file(self, pid: int, path: str) -> bool:
        """Whether a path leads a living process to the file of its view."""

    def look_at(self, view: View) -> bool:
        """Look at a view's file now; True where it changed."""

    def maps_hosts_table(self, pid: int) -> bool:
        """Whether a process has nscd's table of names in its memory."""

    def interface(self, pid: int, index: int) -> str:
        """Name a network interface of a process's network namespace."""


class Ledger:
    """Every tracked process, and those that share state with one."""

    def __init__(
        self,
        lineage: Lineage,
        surroundings: Surroundings,
        clock: Clock,
        policy: Policy,
        host: View,
        lost: Counter[str] | None = None,
    ) -> None:
        """Begin with no process; ``lost`` counts what cannot be recorded (:mod:`tracer.losses`)."""
        self._population = Population(lineage, surroundings)
        self._surroundings = surroundings
        self._judge = Judge(Outlooks(surroundings, host), policy, clock)
        self._clock = clock
        self.host = host
        self.lost = none_lost() if lost is None else lost
        self.departed = Departed(self.lost)
        self.queries_total: Counter[tuple[State, Transport]] = Counter()
        self._owed: dict[QueryKey, int] = {}
        self._nscd_clients = NscdClients(surroundings.maps_hosts_table)
        self.tracked: set[Process] = set()
        self._unwritten: set[Process] = set()
        self.unsaved = False
        """Whether something happened that must not be forgotten: a flag or a generation."""

    @property
    def policy(self) -> Policy:
        """Thresholds and rules. Given others, everybody is judged by those."""
        return self._judge.policy

    @policy.setter
    def policy(self, policy: Policy) -> None:
        self._judge.policy = policy
        for process in self.processes.values():
            self.settle(process)

    @property
    def flagged(self) -> set[Process]:
        """Those with a flag that stands, workers too."""
        return self._judge.flagged

    @property
    def processes(self) -> dict[ProcessId, Process]:
        """Every process that is kept."""
        return self._population.processes

    def keep(self, pid: int, entry: KernelProcess) -> Process:
        """Begin to keep a living process."""
        return self._population.keep(pid, entry)

    # Records, as they happen.

    def record(self, record: Record) -> None:
        """Take one ring buffer record in."""
        if record.kind == RecordKind.TRIED and not self._population.keeps(record.subject):
            self._nscd_clients.note(record.subject)
            return
        if record.kind in (RecordKind.EXECED, RecordKind.ENDED):
            self._nscd_clients.forget(record.subject)
        process = self._population.find(record.subject)
        self._population.note_change(process)
        process.note_flags(record.subject.flags, record.time)
        if record.kind == RecordKind.READ:
            self._read(process, record)
        elif record.kind == RecordKind.TRIED:
            if record.subject.flags & (Flag.ANSWERED << record.service):
                process.answered = record.time
        elif record.kind == RecordKind.EXECED or record.result:
            self._population.end(process, record.time)
        else:
            self._population.perhaps_end(process)

    def _read(self, process: Process, record: Record) -> None:
        path = text(record.path)
        if posixpath.basename(path) != "resolv.conf":
            return
        source = process.upstreams
        if source is not None:  # a forwarder, judged by that file and no other
            if path == source.path:
                self._note_read(process, source, record)
            return
        if path != RESOLV_CONF and not self._surroundings.is_view_file(process.pid, path):
            if len(process.other_files) < _MOST_FILES:
                process.other_files |= {path}
            return
        view = self._surroundings.view(process.pid, record.subject.root, record.subject.parent_tgid)
        self._note_read(process, view, record)

    def _note_read(self, process: Process, view: View | None, record: Record) -> None:
        process.note_reads([Read(record.time, record.subject.state)])
        if view is None:
            self.lost[Lost.VIEW_UNREADABLE] += 1
            return
        process.view = process.read_view = view
        # Of many that read at the same time the first one's look is late enough for all.
        if record.time > view.looked and self._surroundings.look_at(view):
            self.view_changed(view)

    def take_in_nscd_clients(self) -> None:
        """Begin to track those that ask nscd for names: some seconds apart, since it reads their memory maps."""
        for subject in self._nscd_clients.take_confirmed():
            process = self._population.find(subject)
            process.asks_nscd = True
            self._population.note_change(process)

    # Queries, once a tick.

    def tick(self, queries: Iterable[tuple[QueryKey, Queries]]) -> None:
        """Take a tick's queries in, settle what they change, and part with the processes that ended before it."""
        ended = self._population.take_ended()
        counted: list[tuple[Pair, Transport, int]] = []
        owed, self._owed = self._owed, {}
        for key, value in queries:
            if key.tgid == 0 or key.transport not in _TRANSPORTS:
                self.lost[Lost.UNATTRIBUTED] += value.number
                continue
            number = value.number + owed.pop(key, 0)
            if number <= 0:
                # The datagram that this makes up for was counted after the turn (bpf/queries.c, ask_one_less).
                self._owed[key] = number
                continue
            process = self._population.find(value.subject)
            process.note_flags(value.subject.flags, value.last)
            process.checked = max(process.checked, value.subject.checked)
            burst = Burst(number, value.first, value.last, value.previous, value.handshakes, value.subject.state)
            address = PairKey(self._address(key), key.netns)
            transport = _TRANSPORTS[key.transport]
            counted.append((self._take_in(process, address, key.port, transport, burst), transport, number))
            owner = process.owner_of(value.subject.state)
            if owner is not None and owner.id in self.processes:
                self._take_in(owner, address, key.port, transport, burst, by_worker=True)
        self._judge_restless()
        for pair, transport, count in counted:
            self.queries_total[pair.state, transport] += count
        self._part_with(ended)
        self._population.sweep(self._clock.boot(), self.flagged)
        self._take_stock()

    def _judge_restless(self) -> None:
        changed = self._population.changed
        for process in [*changed, *(self._judge.in_grace - changed)]:
            if not process.calm:
                self.settle(process)

    def _take_stock(self) -> None:
        for process in self._population.changed:
            if process.is_tracked and process.ended is None and process.id in self.processes:
                self.tracked.add(process)
                self._unwritten.add(process)
            else:
                self.tracked.discard(process)
                self._unwritten.discard(process)
        self._population.changed.clear()

    def take_unwritten(self) -> set[Process]:
        """Give those of the tracked that changed since the last call."""
        self._take_stock()
        taken, self._unwritten = self._unwritten, set()
        return taken

    def _address(self, key: QueryKey) -> str:
        scope = self._surroundings.interface(key.tgid, key.scope) if key.scope else None
        return canonical(key.address, scope)

    def _take_in(
        self, process: Process, key: PairKey, port: int, transport: Transport, burst: Burst, *, by_worker: bool = False
    ) -> Pair:
        pair = process.pairs.get(key)
        if pair is None:
            pair = process.pairs[key] = Pair()
            process.calm = False
        removal = self._judge.take_in(process, key.address, pair, burst)
        use = pair.uses.setdefault((port, transport), Use())
        use.take_in(burst, removal.noticed if removal else None, by_worker=by_worker)
        self._population.changed.add(process)
        if len(process.pairs) > _MOST_PAIRS:
            self._drop_oldest_unlisted(process)
        return pair

    def _drop_oldest_unlisted(self, process: Process) -> None:
        """Keep what was never listed for the latest nameservers only: a full resolver asks half the world."""
        view = process.view
        unlisted = [key for key in process.pairs if view is None or not view.history.listed_once(key.address)]
        for key in sorted(unlisted, key=lambda key: process.pairs[key].evidence.last or 0)[: _MOST_PAIRS // 4]:
            self.departed.add(process, key, process.pairs.pop(key))

    def _part_with(self, ended: list[Process]) -> None:
        for heir in self._population.inherit(ended):
            self.unsaved = True
            self.settle(heir)
        for process in ended:
            self.unsaved |= process.flagged is not None
            for key, pair in process.pairs.items():
                self.departed.add(process, key, pair)
            self._population.part_with(process)
            self._judge.forget(process)

    def settle(self, process: Process) -> None:
        """Bring the states of a process's pairs up to date."""
        self._population.changed.add(process)
        self.unsaved |= self._judge.settle(process)

    def views_in_use(self) -> set[str]:
        """Tell which views living processes are judged by."""
        return {
            process.view.id
            for process in self.processes.values()
            if process.view is not None and self._population.lives(process)
        }

    def note_suspend(self, suspend: Suspend) -> None:
        """Note that the machine was suspended."""
        self._judge.note_suspend(suspend)

    def view_changed(self, view: View) -> None:
        """Judge anew whoever the change concerns."""
        self.unsaved = True
        for process in self.processes.values():
            if process.view is view or view is self.host:
                self.settle(process)
