"""What the ledger keeps of one process. Times are nanoseconds of CLOCK_BOOTTIME."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from tracer.kernel.records import Flag, Service
from tracer.procfs import Identity
from tracer.rules import Action, Ruling
from tracer.snapshot import SEVERITY, LookupPath, State, Transport
from tracer.verdict import Burst, Conduct, Evidence, Suspend
from tracer.view import View

_KEPT_READS = 16
_RANK = {state: rank for rank, state in enumerate(SEVERITY)}
_COARSE_TICK = 10_000_000
"""Nanoseconds that the kernel's coarse clock may be behind: a tick, at 100 Hz (time(7), "The software clock")."""


class Read(NamedTuple):
    """A process read resolv.conf, and has been in that resolver state since."""

    at: int
    state: int


class ProcessId(NamedTuple):
    """A process from one exec to the next: pids are reused, and exec ends what the old image did."""

    pid: int
    birth: int
    execs: int


class PairKey(NamedTuple):
    """A nameserver: its canonical address, in one network namespace (by its cookie)."""

    address: str
    netns: int


@dataclass(slots=True)
class Use:
    """How much one pair carries over one port and transport."""

    queries: int = 0
    worker_queries: int = 0
    since_removed: int = 0
    removal: int | None = None
    first: int | None = None
    last: int | None = None
    inherited: int = 0
    """Of ``queries``: those of the owner whose heir this process is."""

    def take_in(self, burst: Burst, removal: int | None, *, by_worker: bool) -> None:
        """Add a burst; ``removal`` as in :class:`tracer.verdict.Evidence`."""
        if by_worker:
            self.worker_queries += burst.count
        else:
            self.queries += burst.count
        self.first = burst.first if self.first is None else min(self.first, burst.first)
        self.last = burst.last if self.last is None else max(self.last, burst.last)
        self.align(removal)
        if removal is not None:
            self.since_removed += burst.sent_after(removal)

    def align(self, removal: int | None) -> None:
        """Begin to count anew where another removal is in force."""
        if self.removal != removal:
            self.removal, self.since_removed = removal, 0


@dataclass(slots=True)
class Pair:
    """What one process has to do with one nameserver."""

    evidence: Evidence = field(default_factory=Evidence)
    uses: dict[tuple[int, Transport], Use] = field(default_factory=dict)
    state: State = State.UNLISTED
    ruling: Ruling | None = None
    """What the administrator's rules make of it."""

    @property
    def ignored(self) -> bool:
        """Whether the rules say to ignore it."""
        return self.ruling is not None and self.ruling.action is Action.IGNORE

    def copy_for_heir(self) -> Pair:
        """Give a copy that goes on by itself."""
        return Pair(
            self.evidence, {key: replace(use, inherited=use.queries) for key, use in self.uses.items()}, self.state
        )


@dataclass(slots=True, eq=False)
class Process:
    """One process and its resolver state.

    ``owner`` is itself, or the process whose resolver state it uses. ``root`` and ``state`` are the kernel side's
    numbers. ``view`` is the one it last read or, where it read none, has.
    ``upstreams`` is the one that a forwarder takes its nameservers from. ``former``: the state and the owner that it
    had before it last read. ``flags_at`` is when ``flags`` were so.
    """

    id: ProcessId
    identity: Identity
    state: int
    root: int
    view: View | None
    flags: int = 0
    owner: Process = field(init=False)
    workers: set[Process] = field(default_factory=set)
    workers_seen: int = 0
    reads: tuple[Read, ...] = ()
    read_view: View | None = None
    checked: int = 0
    answered: int = 0
    asks_nscd: bool = False
    pairs: dict[PairKey, Pair] = field(default_factory=dict)
    other_files: frozenset[str] = frozenset()
    forwarder: bool | None = None
    upstreams: View | None = None
    former: tuple[int, Process] | None = None
    flags_at: int = 0
    ended: int | None = None
    calm: bool = False
    """Whether no pair's state can change by its asking more of what is listed, or never was; see
    :meth:`tracer.ledger.Ledger.settle`."""

    def __post_init__(self) -> None:
        self.owner = self

    @property
    def pid(self) -> int:
        """Its process id in the initial pid namespace."""
        return self.id.pid

    def note_reads(self, reads: Iterable[Read]) -> None:
        """Take in that it read resolv.conf, keeping the latest: as a tuple, since an empty deque takes 600 bytes."""
        self.reads = (*self.reads, *reads)[-_KEPT_READS:]

    def note_flags(self, flags: int, at: int) -> None:
        """Take over what the kernel side said of it, unless something later is known.

        Queries are timed by the coarse clock: within a tick of it nobody knows which was later, and both hold.
        """
        if at >= self.flags_at:
            self.flags, self.flags_at = flags, at
        elif at >= self.flags_at - _COARSE_TICK:
            self.flags |= flags

    def owner_of(self, state: int) -> Process | None:
        """Tell whose state it used when it asked in this one; None where that was its own."""
        if self.is_worker and state == self.state:
            return self.owner
        return self.former[1] if self.former and self.former[0] == state else None

    @property
    def is_worker(self) -> bool:
        """Whether a living owner stands for it."""
        return self.owner is not self

    @property
    def last_read(self) -> int | None:
        """When it last read its view's file, or looked whether it had changed."""
        times = [*(read.at for read in self.reads), *([self.checked] if self.checked else [])]
        return max(times, default=None)

    @property
    def is_tracked(self) -> bool:
        """Whether it has queried, or tried a lookup socket for a name: it read resolv.conf too, or nscd served it."""
        return bool(self.pairs) or self.asks_nscd or (self._tried and bool(self.reads))

    @property
    def _tried(self) -> bool:
        return any(self.flags & (flag << service) for flag in (Flag.ANSWERED, Flag.REFUSED) for service in Service)

    @property
    def worst(self) -> State:
        """Its state: the worst of its pairs, but for the ignored; ``current`` where it has no other."""
        told = (pair.state for pair in self.pairs.values() if not pair.ignored)
        return min(told, key=_RANK.__getitem__, default=State.CURRENT)

    @property
    def flagged(self) -> int | None:
        """When its oldest standing flag was raised."""
        times = [
            pair.evidence.flagged
            for pair in self.pairs.values()
            if pair.state is State.STALE and pair.evidence.flagged is not None and not pair.ignored
        ]
        return min(times, default=None)

    def conduct(self, suspends: tuple[Suspend, ...] = ()) -> Conduct:
        """Tell what it did, as far as that clears a flag; and when the machine was suspended."""
        current = [
            pair.evidence
            for key, pair in self.pairs.items()
            if pair.evidence.last is not None and self.view is not None and self.view.history.lists(key.address)
        ]
        last_current = max((evidence.last for evidence in current if evidence.last is not None), default=None)
        state = max((evidence.state for evidence in current), default=0)
        followed = max((read.state for read in self.reads if read.state <= state), default=None)
        return Conduct(self.id.birth or None, followed, last_current, suspends)

    @property
    def lookup_path(self) -> LookupPath:
        """How it looks names up, by what was seen of the lookup sockets and of its own queries."""
        asks = any(
            pair.evidence.last is not None and pair.evidence.last > self.answered for pair in self.pairs.values()
        )
        for service, path in (
            (Service.NSCD, LookupPath.NSCD),
            (Service.RESOLVED, LookupPath.RESOLVED),
            (Service.SSSD, LookupPath.SSSD),
        ):
            if self.flags & (Flag.ANSWERED << service):
                return LookupPath.MIXED if asks else path
        if self.flags & Flag.ASKED_ALONE and not self._resolves_itself:
            return LookupPath.NSS
        return LookupPath.DIRECT if asks else LookupPath.UNKNOWN

    @property
    def _resolves_itself(self) -> bool:
        """Whether what it tried nscd's socket for was no name, but a user, as servers do when they start.

        glibc asks no nameserver before it has read resolv.conf, and a forwarder asks what it is asked.
        """
        never_read = self.owner.id.execs > 0 and not self.flags & Flag.READ_ONCE
        return never_read or bool(self.forwarder) or self.upstreams is not None
