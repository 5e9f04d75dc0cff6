"""A small machine to try the ledger on: it keeps lineage and counts as the programs in bpf/ do, in plain Python."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address

from tracer.clock import Clock
from tracer.generations import SECOND, History, first_generation, follow
from tracer.kernel.records import Flag, KernelProcess, Queries, QueryKey, Record, RecordKind, Service, Subject
from tracer.ledger import Ledger
from tracer.lineage import Lineage
from tracer.process import Pair, PairKey, Process
from tracer.procfs import Identity
from tracer.resolvconf import ResolvConf
from tracer.rootfs import Identity as FileIdentity
from tracer.rules import Policy
from tracer.snapshot import State, Transport
from tracer.view import RESOLV_CONF, View

MILLISECOND = 1_000_000
OLD, NEW, OTHER, ELSEWHERE = "192.0.2.65", "192.0.2.72", "192.0.2.99", "198.51.100.53"
NETNS = 7
LOOKUP_SECONDS = 10
"""Below ``grace_seconds``, so that this is what counts unless a test says otherwise."""
_TRANSPORTS = {Transport.UDP: 1, Transport.TCP: 2, Transport.TLS: 3}


def conf(*nameservers: str, also: tuple[str, ...] = (), lookup: int = LOOKUP_SECONDS) -> ResolvConf:
    """Return what a resolv.conf lists."""
    return ResolvConf(nameservers, also, implicit=False, lookup_seconds=lookup)


def packed(address: str) -> bytes:
    """Return an address as the kernel side keeps it."""
    parsed = ip_address(address)
    return bytes(10) + b"\xff\xff" + parsed.packed if isinstance(parsed, IPv4Address) else parsed.packed


class FakeClock(Clock):
    """A clock that moves when a test says so; its wall agrees with the machine's as long as it stands still."""

    def __init__(self, now: int = 1000 * SECOND) -> None:
        self.now = now
        self.offset = time.time_ns() - now
        self.slept = 0

    def boot(self) -> int:
        """Give the time that a test has set."""
        return self.now

    def wall(self) -> int:
        """Give the same, since 1970."""
        return self.now + self.offset

    def suspended(self) -> int:
        """Give what it slept."""
        return self.slept

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += int(seconds * SECOND)

    def sleep(self, seconds: float) -> None:
        """Let the machine be suspended."""
        self.advance(seconds)
        self.slept += int(seconds * SECOND)

    def set_wall(self, seconds: float) -> None:
        """Set the wall clock, forward or back."""
        self.offset += int(seconds * SECOND)


def a_view(history: History, name: str = "host", path: str = RESOLV_CONF) -> View:
    """Return a view with a past and no file."""
    view = View(name, path, 1, FileIdentity(1, hash(name)))
    view.history = history
    return view


class FakeMap:
    """The kernel's map of processes."""

    def __init__(self, entries: dict[int, KernelProcess] | None = None) -> None:
        self.entries = entries if entries is not None else {}

    def process(self, pid: int) -> KernelProcess | None:
        """Look one up."""
        return self.entries.get(pid)

    def all_processes(self) -> Iterable[tuple[int, KernelProcess]]:
        """Give them all."""
        return list(self.entries.items())

    def enter(self, pid: int, process: KernelProcess) -> None:
        """Set one."""
        self.entries[pid] = process


@dataclass
class FakeSurroundings:
    """What the ledger asks of the machine, as a test sets it."""

    host: View
    by_root: dict[int, View | None] = field(default_factory=dict)
    identities: dict[int, Identity] = field(default_factory=dict)
    view_files: set[str] = field(default_factory=set)
    alive: set[int] = field(default_factory=set)
    served_by_nscd: set[int] = field(default_factory=set)
    forwards: dict[int, View | bool] = field(default_factory=dict)

    def identify(self, subject: Subject) -> Identity:
        """Tell who it is."""
        named = Identity(comm="getip", exe="/usr/bin/getip", uid=0, start=subject.birth, image=b"image")
        return self.identities.get(subject.tgid, named)

    def view(self, pid: int, root: int, parent: int) -> View | None:  # noqa: ARG002 - the edge's signature
        """Find the view by the root's number."""
        return self.by_root.get(root, self.host)

    def is_view_file(self, pid: int, path: str) -> bool:  # noqa: ARG002 - as above
        """Whether a test said so."""
        return path in self.view_files

    def look_at(self, view: View) -> bool:  # noqa: ARG002 - as above
        """Never find a change: tests make them."""
        return False

    def is_alive(self, pid: int) -> bool:
        """Whether any thread runs, where the map does not know the process."""
        return pid in self.alive

    def upstreams(self, process: Process) -> View | bool:
        """Tell a forwarder's upstreams."""
        return self.forwards.get(process.pid, False)

    def maps_hosts_table(self, pid: int) -> bool:
        """Whether nscd gave it its table of names."""
        return pid in self.served_by_nscd

    def interface(self, pid: int, index: int) -> str:
        """Name an interface."""
        return f"eth{index}-of-{pid}"


class World:
    """Processes, one host view, a ledger and a clock. Each event takes a millisecond, so that no two are at once."""

    def __init__(self, *nameservers: str, lookup: int = LOOKUP_SECONDS, policy: Policy | None = None) -> None:
        self.clock = FakeClock()
        self.map = FakeMap()
        self.host = a_view(first_generation(conf(*(nameservers or (OLD,)), lookup=lookup), self.clock.now, 1))
        self.around = FakeSurroundings(self.host)
        self.ledger = Ledger(Lineage(self.map), self.around, self.clock, policy or Policy(), self.host)
        self._asked: dict[QueryKey, Queries] = {}

    # What happens on the machine; see bpf/*.c for each.

    def start(self, pid: int, birth: int = 0, **changes: int) -> None:
        """Let a process run that nobody forked."""
        entry = KernelProcess(
            birth=birth or self._moment(),
            state=self._fresh(),
            root=1,
            image=0,
            parent_birth=0,
            owner_birth=0,
            checked=0,
            refused=0,
            refused_tid=0,
            execs=0,
            parent_tgid=0,
            owner_tgid=pid,
            flags=0,
        )
        self.map.entries[pid] = entry._replace(owner_birth=entry.birth)._replace(**changes)

    def fork(self, parent: int, child: int) -> None:
        """Fork: the child shares the parent's state."""
        self._change(parent, flags=self.map.entries[parent].flags | Flag.FORKED)
        entry = self.map.entries[parent]
        self.map.entries[child] = entry._replace(
            birth=self._moment(),
            parent_tgid=parent,
            parent_birth=entry.birth,
            execs=0,
            flags=entry.flags & ~(Flag.ACTED | Flag.FORKED),
            refused=0,
        )

    def execute(self, pid: int, *, recorded: bool = True) -> None:
        """Exec: another program, with a state of its own."""
        entry = self.map.entries[pid]
        if entry.flags & Flag.ACTED and recorded:
            self._record(pid, RecordKind.EXECED)
        self._own(pid, execs=entry.execs + 1, flags=0, checked=0, refused=0)

    def end(self, pid: int, *, certain: bool = True, recorded: bool = True) -> None:
        """End a process; not ``recorded``: the ring was full."""
        if self.map.entries[pid].flags & Flag.ACTED and recorded:
            self._record(pid, RecordKind.ENDED, result=int(certain))
        del self.map.entries[pid]

    def read(self, pid: int, path: str = RESOLV_CONF) -> int:
        """Open resolv.conf; gives when."""
        self._own(pid, flags=self.map.entries[pid].flags | Flag.ACTED | Flag.READ_ONCE)
        self._record(pid, RecordKind.READ, path=path)
        return self.clock.now

    def check(self, pid: int) -> int:
        """Look at resolv.conf by stat; gives when."""
        self._change(pid, checked=self._moment())
        return self.clock.now

    def try_socket(self, pid: int, service: Service, *, answered: bool, recorded: bool = True) -> None:
        """Try a lookup socket."""
        entry = self.map.entries[pid]
        seen, other = (Flag.ANSWERED, Flag.REFUSED) if answered else (Flag.REFUSED, Flag.ANSWERED)
        if not answered and service is Service.NSCD:
            self._change(pid, refused=self._moment(), refused_tid=pid)
        if entry.flags & (seen << service):
            return
        flags = entry.flags & ~(other << service) | seen << service
        if answered and service is Service.NSCD:
            flags &= ~Flag.ASKED_ALONE
        self._change(pid, flags=flags)
        if (flags & Flag.READ_ONCE or (answered and service is Service.NSCD)) and recorded:
            self._record(pid, RecordKind.TRIED, service=service)

    def ask(
        self,
        pid: int,
        address: str = OLD,
        times: int = 1,
        *,
        transport: Transport = Transport.UDP,
        handshake: bool = False,
        netns: int = NETNS,
        scope: int = 0,
    ) -> None:
        """Send queries, a millisecond apart."""
        for _ in range(times):
            now = self._moment()
            entry = self.map.entries[pid]
            flags = entry.flags | Flag.ACTED
            if entry.refused and entry.refused_tid == pid and now - entry.refused < SECOND:
                flags |= Flag.ASKED_ALONE
            self._change(pid, flags=flags)
            for watched in {entry.owner_tgid, entry.parent_tgid} & set(self.map.entries):
                self._change(watched, flags=self.map.entries[watched].flags | Flag.ACTED)
            port = 853 if transport is Transport.TLS else 53
            key = QueryKey(netns, packed(address), pid, scope, 0, port, _TRANSPORTS[transport])
            before = self._described(key, now)
            self._asked[key] = before._replace(
                number=before.number + 1,
                handshakes=before.handshakes + handshake,
                previous=before.last,
                last=now,
            )

    def _described(self, key: QueryKey, now: int) -> Queries:
        subject = self.subject(key.tgid)
        found = self._asked.get(key)
        if found and (found.subject.state, found.subject.birth) == (subject.state, subject.birth):
            return found._replace(subject=found.subject._replace(flags=subject.flags))
        if found:
            self._asked[key._replace(former=found.subject.state & 0xFFFFFFFF)] = found
        return Queries(subject, number=0, handshakes=0, first=now, previous=0, last=0, seen=0)

    def change(self, *nameservers: str, view: View | None = None, lookup: int = LOOKUP_SECONDS) -> int:
        """Write resolv.conf anew; gives when that was noticed."""
        view = view or self.host
        now = self._moment()
        view.history = follow(view.history, conf(*nameservers, lookup=lookup), now, now)
        self.ledger.view_changed(view)
        return now

    def past_grace(self) -> None:
        """Let the grace of a removal end."""
        self.clock.advance(20)

    # What the ledger makes of it.

    def tick(self, seconds: float = 0.5) -> None:
        """End a tick: the ledger takes in what was asked."""
        self.clock.advance(seconds)
        asked, self._asked = self._asked, {}
        self.ledger.tick(asked.items())

    def process(self, pid: int) -> Process:
        """Find the process of this pid that the ledger keeps; there must be one alone."""
        (found,) = [process for process in self.ledger.processes.values() if process.pid == pid]
        return found

    def kept(self, pid: int) -> bool:
        """Whether the ledger keeps a process of this pid."""
        return any(process.pid == pid for process in self.ledger.processes.values())

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

    def make_stale(self, pid: int) -> None:
        """Let a process read, ask, and go on asking after the removal."""
        self.read(pid)
        self.ask(pid)
        self.tick()
        self.change(NEW)
        self.past_grace()
        self.ask(pid, OLD, 2)
        self.tick()

    def subject(self, pid: int) -> Subject:
        """Describe a process as the kernel side does."""
        entry = self.map.entries[pid]
        return Subject(
            entry.birth,
            entry.state,
            entry.root,
            entry.image,
            entry.parent_birth,
            entry.owner_birth,
            entry.checked,
            cgroup=1,
            tgid=pid,
            execs=entry.execs,
            parent_tgid=entry.parent_tgid,
            owner_tgid=entry.owner_tgid,
            uid=0,
            flags=entry.flags,
            comm=b"getip",
        )

    def _own(self, pid: int, **changes: int) -> None:
        birth = self.map.entries[pid].birth
        self._change(pid, state=self._fresh(), owner_tgid=pid, owner_birth=birth, **changes)

    def _change(self, pid: int, **changes: int) -> None:
        self.map.entries[pid] = self.map.entries[pid]._replace(**changes)

    def _record(self, pid: int, kind: RecordKind, *, result: int = 0, service: int = 0, path: str = "") -> None:
        encoded = path.encode("utf-8", "surrogateescape")
        self.ledger.record(Record(self.subject(pid), self._moment(), 0, kind, service, result, pid, encoded))

    def _fresh(self) -> int:
        return self._moment() << 6

    def _moment(self) -> int:
        self.clock.now += MILLISECOND
        return self.clock.now
