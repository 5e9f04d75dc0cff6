"""A small machine to try the ledger on: the kernel side of bpf/ in plain Python, and the daemon above it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, ip_address
from typing import Any

from tests.support.doubles import (
    LOOKUP_SECONDS,
    MILLISECOND,
    NEW,
    OLD,
    FakeClock,
    FakeMachine,
    FakeMap,
    FakeProcfs,
    FakeViews,
    a_view,
    conf,
)
from tracer.kernel.losses import none_lost, none_unidentified
from tracer.kernel.records import (
    Counts,
    KernelProcess,
    Lookup,
    ProcessFlag,
    Queries,
    QueryKey,
    Record,
    RecordKind,
    Service,
    Sharer,
    Subject,
    ancestor,
    ancestor_pid,
    is_ancestor,
)
from tracer.ledger.ledger import Ledger
from tracer.ledger.pair import Pair, PairKey
from tracer.ledger.plain import dump, load
from tracer.ledger.process import Process
from tracer.ledger.saved import Saved, everything
from tracer.ledger.sweep import Sweep
from tracer.lookups import Transport
from tracer.observation.forwarders import Forwarding
from tracer.observation.lineage import Lineage, extended
from tracer.observation.newcomers import subject_of
from tracer.observation.observer import Observer
from tracer.observation.steady import SteadyQueries
from tracer.observation.values import Batch
from tracer.resolvconf.history import SECOND, first_generation, follow
from tracer.resolvconf.parser import ResolvConf
from tracer.resolvconf.view import RESOLV_CONF, View
from tracer.restoration import Restoration
from tracer.verdict.rules import Policy
from tracer.verdict.states import State

NETNS = 7
_TRANSPORTS = {Transport.UDP: 1, Transport.TCP: 2, Transport.TLS: 3}


def packed(address: str) -> bytes:
    """Return an address as the kernel side keeps it."""
    parsed = ip_address(address)
    return bytes(10) + b"\xff\xff" + parsed.packed if isinstance(parsed, IPv4Address) else parsed.packed


class FakePlaces:
    """Where the programs count on their own (bpf/steady.h), with room for everybody."""

    def __init__(self, *, room: bool = True) -> None:
        """Without ``room`` nobody finds a place."""
        self.room = room
        self._places: dict[int, tuple[QueryKey, Queries]] = {}
        self._ready: set[int] = set()
        self._retired: list[int] = []
        self._last = 0

    def add(self, key: QueryKey, queries: Queries) -> int | None:
        """Put a pair in a place."""
        if not self.room:
            return None
        self._last += 1
        self._places[self._last] = key, queries.begin()
        return self._last

    def retire(self, place: int) -> None:
        """Count there no more."""
        self._ready.discard(place)
        self._retired.append(place)

    def after_grace_period(self) -> list[int]:
        """Count in all that are not retired; give those that are."""
        retired, self._retired = self._retired, []
        self._ready |= self._places.keys() - set(retired)
        return retired

    def free(self, place: int) -> None:
        """Let a place be used again."""
        del self._places[place]

    def counts(self, place: int) -> Counts:
        """Tell what was counted in a place."""
        _, queries = self._places[place]
        return Counts(
            queries.number,
            queries.previous,
            queries.last,
            queries.strays,
            queries.answered,
            queries.unanswered_since,
            queries.unanswered,
        )

    def count(self, key: QueryKey, subject: Subject, now: int, *, stray: bool) -> bool:
        """Count a query if its pair is here and its process as it was."""
        place = self._place_of(key, subject)
        if place is not None:
            own, queries = self._places[place]
            counted = queries._replace(
                number=queries.number + 1,
                previous=queries.last,
                last=now,
                strays=queries.strays + stray,
                unanswered_since=queries.unanswered_since if queries.unanswered else now,
                unanswered=queries.unanswered + 1,
            )
            self._places[place] = own, counted
        return place is not None

    def answer(self, key: QueryKey, subject: Subject, now: int) -> bool:
        """Note an answer if its pair is here and its process as it was."""
        place = self._place_of(key, subject)
        if place is not None:
            own, queries = self._places[place]
            self._places[place] = own, queries._replace(answered=now, unanswered=0)
        return place is not None

    def _place_of(self, key: QueryKey, subject: Subject) -> int | None:
        for place in self._ready:
            own, queries = self._places[place]
            if own == key and _sharing(queries.subject) == _sharing(subject) and queries.subject.root == subject.root:
                return place
        return None


class Kernel:
    """What the programs in bpf/ make of what processes do. Each event takes ``step``, so that no two are at once."""

    def __init__(self, host: View, clock: FakeClock, step: int = MILLISECOND) -> None:
        self.clock = clock
        self.map = FakeMap()
        self.machine = FakeMachine(host, self.map)
        self.counted: dict[QueryKey, Queries] = {}
        self.steady = FakePlaces()
        self._sweeps = True
        self.followed: set[int] = set()
        """Heirs that did nothing, of which an exec or exit is reported."""
        self._step = step

    # Processes (lineage.c).

    def start(self, pid: int, birth: int = 0, **changes: Any) -> None:
        """Let a process run that nobody forked."""
        entry = KernelProcess(
            birth=birth or self.moment(),
            res_state_id=self._fresh(),
            root=1,
            image=0,
            parent_birth=0,
            checked=0,
            refused=0,
            hosts_opened=0,
            line=(),
            refused_tid=0,
            hosts_tid=0,
            execs=0,
            parent_tgid=0,
            flags=0,
        )
        self.map.entries[pid] = entry._replace(**changes)
        self.machine.images[pid] = self._image()

    def fork(self, parent: int, child: int) -> None:
        """Fork: the child shares the parent's resolver state."""
        self._change(parent, flags=self.map.entries[parent].flags | ProcessFlag.FORKED)
        entry = self.map.entries[parent]
        self.map.entries[child] = entry._replace(
            birth=self.moment(),
            parent_tgid=parent,
            parent_birth=entry.birth,
            line=extended(entry.line, ancestor(parent, entry.birth), self._lives),
            execs=0,
            flags=entry.flags & ~(ProcessFlag.ACTED | ProcessFlag.FORKED),
            refused=0,
            hosts_opened=0,
        )
        self.machine.images[child] = self.machine.images[parent]

    def _lives(self, named: int) -> bool:
        entry = self.map.entries.get(ancestor_pid(named))
        return entry is not None and is_ancestor(ancestor_pid(named), entry.birth, named)

    def execute(self, pid: int, *, recorded: bool = True) -> None:
        """Exec: another program, with a resolver state of its own."""
        entry = self.map.entries[pid]
        record = self._record(pid, RecordKind.EXECED)
        self._own(pid, execs=entry.execs + 1, flags=0, checked=0, refused=0, hosts_opened=0, image=self._fresh())
        self.machine.images[pid] = self._image()
        if self._is_followed(pid, entry) and recorded:
            self.deliver(record)

    def _is_followed(self, pid: int, entry: KernelProcess) -> bool:
        return bool(entry.flags & ProcessFlag.ACTED or (entry.line and pid in self.followed))

    def exit(self, pid: int, *, certain: bool = True, recorded: bool = True) -> None:
        """Exit; not ``certain``: perhaps only the first thread. Not ``recorded``: the ring was full."""
        record = self._record(pid, RecordKind.EXITED, result=int(certain))
        entry = self.map.entries.pop(pid)
        if self._is_followed(pid, entry) and recorded:
            self.deliver(record)

    def move(self, pid: int, root: int) -> None:
        """Give a process another root directory: chroot(2), setns(2)."""
        self._change(pid, root=root)

    # Opens and looks (opens.c).

    def read(self, pid: int, path: str = RESOLV_CONF, *, inode: int = 0, result: int = 3, known: bool = True) -> int:
        """Open a resolv.conf and give when. ``known``: whether the kernel side knows a view's file by its inode."""
        entry = self.map.entries[pid]
        may_be_its_own = not path.startswith("/") or path.startswith("/proc/")
        if path != RESOLV_CONF and not may_be_its_own and not (known and inode in self.machine.files):
            self.deliver(self._record(pid, RecordKind.OPENED, path=path, inode=inode))
            return self.clock.now
        shared = (Sharer.BY_CHILDREN if entry.flags & ProcessFlag.FORKED else 0) | (
            Sharer.BY_ANCESTORS if entry.line else 0
        )
        self._own(pid, flags=(entry.flags & ~ProcessFlag.FORKED) | ProcessFlag.ACTED | ProcessFlag.READ_ONCE)
        record = self._record(pid, RecordKind.READ, path=path, inode=inode, result=result)
        self.deliver(record._replace(res_state_id_before=entry.res_state_id, shared=shared, line=entry.line))
        return self.clock.now

    def check(self, pid: int) -> int:
        """Do a stat of resolv.conf and give when."""
        self._change(pid, checked=self.moment())
        return self.clock.now

    # Lookup sockets (lookups.c).

    def try_socket(self, pid: int, service: Service, *, answered: bool, recorded: bool = True) -> None:
        """Try a lookup socket."""
        entry = self.map.entries[pid]
        seen, other = (
            (ProcessFlag.ANSWERED, ProcessFlag.REFUSED) if answered else (ProcessFlag.REFUSED, ProcessFlag.ANSWERED)
        )
        if not answered and service is Service.NSCD:
            self._change(pid, refused=self.moment(), refused_tid=pid)
        if entry.flags & (seen << service):
            return
        flags = entry.flags & ~(other << service) | seen << service
        if answered and service is Service.NSCD:
            flags &= ~ProcessFlag.NSCD_FALLBACK
        self._change(pid, flags=flags)
        if (flags & ProcessFlag.READ_ONCE or (answered and service is Service.NSCD)) and recorded:
            self.deliver(self._record(pid, RecordKind.TRIED, service=service))

    # Queries (counting.h).

    def query(
        self,
        pid: int,
        address: str = OLD,
        times: int = 1,
        *,
        transport: Transport = Transport.UDP,
        handshake: bool = False,
        netns: int = NETNS,
        scope: int = 0,
        lookup: Lookup = Lookup.THROUGH_NSS,
        stray: bool = False,
    ) -> None:
        """Send queries. ``stray``: from a thread that is not the one which last did a stat or a read of resolv.conf."""
        for _ in range(times):
            now = self.moment()
            self._mark(pid, now)
            port = 853 if transport is Transport.TLS else 53
            key = QueryKey(netns, packed(address), pid, scope, 0, port, _TRANSPORTS[transport])
            if transport is Transport.UDP and self.steady.count(key, self.subject(pid), now, stray=stray):
                continue
            before = self._described(key, now, lookup)
            if before.lookup == Lookup.NO_QUERY:
                before = before._replace(first=now, lookup=lookup)
            self.counted[key] = before._replace(
                number=before.number + 1,
                handshakes=before.handshakes + handshake,
                previous=before.last,
                last=now,
                strays=before.strays + stray,
                unanswered_since=before.unanswered_since if before.unanswered else now,
                unanswered=before.unanswered + 1,
            )

    def answer(self, pid: int, address: str = OLD, *, netns: int = NETNS) -> None:
        """Let an answer be received in a way that is seen."""
        now = self.moment()
        key = QueryKey(netns, packed(address), pid, 0, 0, 53, _TRANSPORTS[Transport.UDP])
        if not self.steady.answer(key, self.subject(pid), now):
            begun = self._described(key, now, Lookup.NO_QUERY)
            self.counted[key] = begun._replace(answered=now, unanswered=0)

    def steady_counts(self, place: int) -> Counts:
        """Tell what was counted in a place so far."""
        return self.steady.counts(place)

    def _mark(self, pid: int, now: int) -> None:
        entry = self.map.entries[pid]
        flags = entry.flags | ProcessFlag.ACTED
        if entry.refused and entry.refused_tid == pid and now - entry.refused < SECOND:
            flags |= ProcessFlag.NSCD_FALLBACK
        self._change(pid, flags=flags)
        for watched in {self.subject(pid).owner_tgid, entry.parent_tgid} & set(self.map.entries):
            self._change(watched, flags=self.map.entries[watched].flags | ProcessFlag.ACTED)

    def _described(self, key: QueryKey, now: int, lookup: Lookup) -> Queries:
        subject = self.subject(key.tgid)
        found = self.counted.get(key)
        if found and _sharing(found.subject) == _sharing(subject):
            return found._replace(subject=found.subject._replace(flags=subject.flags))
        if found:
            self.counted[key._replace(tick_part=found.first & 0xFFFFFFFF | 1)] = found
        return Queries(subject, number=0, handshakes=0, first=now, previous=0, last=0, seen=0, lookup=lookup)

    def subject(self, pid: int) -> Subject:
        """Describe a process as the kernel side does."""
        entry = self.map.entries[pid]
        owner_tgid, owner = pid, entry
        for named in entry.line:
            above = self.map.entries.get(ancestor_pid(named))
            if (
                above
                and above.res_state_id == entry.res_state_id
                and is_ancestor(ancestor_pid(named), above.birth, named)
            ):
                owner_tgid, owner = ancestor_pid(named), above
                break
        owned_by = {"owner_birth": owner.birth, "owner_tgid": owner_tgid, "owner_execs": owner.execs}
        return subject_of(pid, entry)._replace(**owned_by, cgroup=1, comm=b"getip")

    def _own(self, pid: int, **changes: Any) -> None:
        self._change(pid, res_state_id=self._fresh(), line=(), **changes)

    def _change(self, pid: int, **changes: Any) -> None:
        self.map.entries[pid] = self.map.entries[pid]._replace(**changes)

    def _record(
        self, pid: int, kind: RecordKind, *, result: int = 0, service: int = 0, path: str = "", inode: int = 0
    ) -> Record:
        encoded = path.encode("utf-8", "surrogateescape")
        return Record(self.subject(pid), self.moment(), 0, inode, 0, 0, kind, service, result, pid, encoded)

    def deliver(self, record: Record) -> None:
        """Hand a record over."""
        raise NotImplementedError

    def _fresh(self) -> int:
        return Lineage.fresh_state(self.moment())

    def _image(self) -> bytes:
        return self.clock.now.to_bytes(8, "big")

    def moment(self) -> int:
        """Let an event take its time."""
        self.clock.now += self._step
        return self.clock.now


def _sharing(subject: Subject) -> tuple[int, ...]:
    return subject.res_state_id, subject.birth, subject.owner_tgid, subject.owner_birth, subject.owner_execs


class World(Kernel):
    """Processes, one host view and a daemon."""

    def __init__(
        self,
        *nameservers: str,
        lookup: int = LOOKUP_SECONDS,
        policy: Policy | None = None,
        step: int = MILLISECOND,
    ) -> None:
        clock = FakeClock()
        history = first_generation(conf(*(nameservers or (OLD,)), lookup=lookup), clock.now, 1)
        self.host = a_view(history)
        super().__init__(self.host, clock, step)
        self._policy = policy or Policy()
        self.daemon_runs = True
        self._late: list[Record] | None = None
        self._begin()

    def _begin(self) -> None:
        self.lost, self.unidentified = none_lost(), none_unidentified()
        self.lineage = Lineage(self.map)
        self.ledger = Ledger(self.host, self._policy, self.lost)
        self.observer = Observer(
            self.machine,
            self.lineage,
            self.clock,
            self.ledger.processes.get,
            SteadyQueries(self),
            self.lost,
            self.unidentified,
        )
        self._sweep = Sweep()

    def deliver(self, record: Record) -> None:
        """Let the observer have it, if a daemon runs."""
        if self._late is not None:
            self._late.append(record)
        elif self.daemon_runs:
            self.observer.record(record)
            self.observer.refresh_views_read()

    @contextmanager
    def late(self) -> Iterator[None]:
        """Let the observer have what is recorded in a `with` block when that is over."""
        late: list[Record] = []
        self._late = late
        yield
        self._late = None
        for record in late:
            self.deliver(record)

    def change(self, *nameservers: str, view: View | None = None, lookup: int = LOOKUP_SECONDS) -> int:
        """Write resolv.conf; gives when that was noticed."""
        return self.write(conf(*nameservers, lookup=lookup), view)

    def write(self, written: ResolvConf, view: View | None = None, *, began: int | None = None) -> int:
        """Write it, whatever it says, now or at ``began``; gives when that was noticed."""
        view = view or self.host
        now = self.moment()
        view.history = follow(view.history, written, now if began is None else began, now)
        self.observer.wake([process.id for process in self.ledger.views_changed([view])])
        return now

    def past_grace(self) -> None:
        """Let the grace of a removal end."""
        self.clock.advance(20)

    # The daemon.

    def tick(self, seconds: float = 0.5, *, nscd: bool = True) -> None:
        """End a tick: the ledger enters what happened, and every process is evaluated."""
        self.clock.advance(seconds)
        counted, self.counted = self.counted, {}
        turn = self._sweep.turn(self.ledger.processes, self.ledger.evaluator.flagged, lost=0)
        gone = turn if self._sweeps else []
        self.ledger.apply(self.arranged(self.observer.take(counted.items(), self.clock.now, gone, nscd=nscd)))
        self.ledger.find_helpers()
        for process in self.ledger.perhaps_forwarders():
            self.ledger.note_forwarding(process, self.machine.forwards.get(process.pid, Forwarding()))
        self.ledger.end_tick()
        self.followed.update(self.ledger.take_heirs())
        self.observer.wake([process.id for process in self.ledger.take_unsteady()])
        self.observer.rest(self.ledger.is_steady)

    def no_sweep(self) -> None:
        """Let exits be known by their records alone."""
        self._sweeps = False

    def arranged(self, batch: Batch) -> Batch:
        """Give a tick's observations to the ledger as they are."""
        return batch

    def saved(self, *, killed: bool = False) -> Saved:
        """Write everything down, as text, and read it again.

        ``killed``: what the journal has, which knows nobody who did nothing so far.
        """
        self.count_steady()
        views = {id(view): view for view in (self.host, *self.machine.by_root.values()) if view is not None}
        living = [] if killed else self.map.all_processes()
        return load(Saved, dump(everything(self.ledger, views.values(), living)))

    def restart(self, meanwhile: Callable[[], None] = lambda: None, *, killed: bool = False) -> None:
        """Restart the daemon between two ticks: it knows what was saved, and what /proc tells after ``meanwhile``."""
        saved = self.saved(killed=killed)
        self.steady = FakePlaces(room=self.steady.room)
        self.daemon_runs = False
        meanwhile()
        self.daemon_runs = True
        fresh = FakeMap()
        Lineage(fresh).seed(FakeProcfs(self.machine), saved.lineage(), self.clock.now)
        views = {view.id: view for view in (self.host, *self.machine.by_root.values()) if view is not None}
        seen = {pid: self.machine.by_root.get(entry.root, self.host) for pid, entry in self.map.entries.items()}
        by_root = {fresh.entries[pid].root: view for pid, view in seen.items()}
        self.map = self.machine.map = fresh
        self.machine.by_root.update(by_root)
        self._begin()
        restoration = Restoration(self.ledger, FakeViews(*views.values()), self.lineage, self.machine, self.observer)
        restoration.restore(saved)
        self.followed.update(process.pid for process in self.ledger.processes)

    # What it makes of it.

    def count_steady(self) -> None:
        """Take from the kernel side what it counts on its own."""
        self.ledger.count_steady(self.observer.take_steady())

    def process(self, pid: int) -> Process:
        """Find the process of this pid that the ledger keeps; there must be one alone."""
        self.count_steady()
        (found,) = [process for process in self.ledger.processes if process.pid == pid and process.ended is None]
        return found

    def kept(self, pid: int) -> bool:
        """Tell whether the ledger keeps a process of this pid."""
        return any(process.pid == pid and process.ended is None for process in self.ledger.processes)

    def pair(self, pid: int, address: str = OLD) -> Pair:
        """Find what a process has to do with a nameserver."""
        return self.process(pid).pairs[PairKey(address, NETNS)]

    def state(self, pid: int, address: str = OLD) -> State:
        """Tell the state of a pair."""
        return self.pair(pid, address).state

    def queries(self, pid: int, address: str = OLD) -> tuple[int, int]:
        """Count a pair's own queries and its workers'."""
        uses = self.pair(pid, address).uses.values()
        return sum(use.queries for use in uses), sum(use.worker_queries for use in uses)

    def owner(self, pid: int) -> int:
        """Tell whose state a process uses."""
        return self.process(pid).owner.pid

    def past_queries(self) -> list[int]:
        """Count what processes queried that have exited."""
        return [use.queries for use in self.ledger.past_uses.uses.values()]

    def make_stale(self, pid: int) -> None:
        """Let a process read, query, and go on querying after the removal."""
        self.read(pid)
        self.stay_behind(pid)

    def stay_behind(self, pid: int) -> None:
        """Let a process query, whatever it has read or not, and go on querying after the removal."""
        self.query(pid)
        self.tick()
        self.change(NEW)
        self.past_grace()
        self.query(pid, OLD, 2)
        self.tick()
