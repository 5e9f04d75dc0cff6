"""One process, and what is known of it: plain values that the ledger keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from tracer.identity import Identity
from tracer.kernel.records import ProcessFlag, Service, is_ancestor
from tracer.ledger.lookup_path import LookupKinds, lookup_path
from tracer.ledger.pair import Pair, PairKey
from tracer.ledger.resolver_state import Read, ResolverState
from tracer.lookups import LookupPath
from tracer.resolvconf.view import View
from tracer.verdict.answers import Answers
from tracer.verdict.following import QueryPattern
from tracer.verdict.states import SEVERITY, State
from tracer.verdict.verdict import Behaviour, Queries, Suspend

_RANK = {state: rank for rank, state in enumerate(SEVERITY)}
_KEPT_CHECKS = 6
_COARSE_TICK = 10_000_000
"""Nanoseconds that the kernel's coarse clock may be behind: a tick, at 100 Hz (time(7), "The software clock")."""


class ProcessId(NamedTuple):
    """A process from one exec to the next: pids are reused, and exec ends what the old image did."""

    pid: int
    birth: int
    execs: int


class Helper(NamedTuple):
    """Who reads resolv.conf for a process, which it may outlive: the state that it has, or had, and its reads."""

    pid: int
    birth: int
    res_state: ResolverState


@dataclass(slots=True, kw_only=True, eq=False)
class ProcessFacts:
    """What is known of a process, as the store saves it: a new fact is a field here, with a default.

    ``line``, ``parent`` and ``flags`` are the kernel side's (bpf/records.h).
    """

    line: tuple[int, ...] = ()
    parent: tuple[int, int] = (0, 0)
    flags: int = 0
    checked: int = 0
    """When it last did a stat of resolv.conf."""
    answered: int = 0
    """When a lookup socket that it tried last answered."""
    uses_nscd: bool = False
    absent: str = ""
    """Where it last looked for resolv.conf, if its root directory holds none: a chroot."""
    workers_seen: int = 0
    lookups: LookupKinds = field(default_factory=LookupKinds)
    pairs: dict[PairKey, Pair] = field(default_factory=dict)
    query_pattern: QueryPattern = field(default_factory=QueryPattern)


@dataclass(slots=True, eq=False)
class Process(ProcessFacts):
    """One process: the table :class:`tracer.ledger.process_table.ProcessTable` keeps it.

    ``root`` and ``image`` are the kernel side's (bpf/records.h). ``own_view`` is the view that it has, which
    counts until it reads a file. ``owner`` is itself, or the process whose resolver state it uses. ``helper`` is the
    one that reads the file for it. ``upstreams`` is the view that a forwarder takes its nameservers from.
    ``flags_at`` is when ``flags`` were so.
    """

    id: ProcessId
    identity: Identity
    res_state: ResolverState
    root: int
    own_view: View | None
    image: int = 0
    flags_at: int = 0
    _owner: Process | None = field(default=None, init=False)
    """None if it is itself: a cycle of references would wait for the garbage collector."""
    workers: set[Process] | None = None
    """Those whose owner it is; None if nobody ever was."""
    helper: Helper | None = None
    checks: tuple[int, ...] = ()
    """When it did so, as far as that was reported: once in each tick in which it queried."""
    other_files: frozenset[str] = frozenset()
    forwards: bool | None = None
    """Whether it queries on behalf of others; None until that was looked at."""
    serves: frozenset[str] = frozenset()
    """The addresses on which it serves port 53."""
    upstreams: View | None = None
    ended: int | None = None
    execed: bool = False
    """Whether it ended by an exec."""
    steady: bool = False
    """Whether no pair's state can change by more queries to what is listed or never was."""
    is_saved: bool = False
    """Whether the store has a record of it."""
    saved_pairs: dict[PairKey, Pair] | None = None
    """Its pairs as the previous daemon saved them, as long as it may have read the file unseen since."""

    def __post_init__(self) -> None:
        self.res_state.members.add(self)

    def set_owner(self, owner: Process) -> None:
        """Let it go by the state that this process has, or by its own if it is itself."""
        if self._owner is not None and self._owner.workers is not None:
            self._owner.workers.discard(self)
        self._owner = owner if owner is not self else None
        if self._owner is not None:
            owner.workers = owner.workers or set()
            owner.workers.add(self)

    @property
    def owner(self) -> Process:
        """The process whose resolver state it uses."""
        return self._owner or self

    @property
    def pid(self) -> int:
        """Its process id in the initial pid namespace."""
        return self.id.pid

    def is_named(self, ancestor: int) -> bool:
        """Tell whether a line names it."""
        return is_ancestor(self.id.pid, self.id.birth, ancestor)

    def note_flags(self, flags: int, at: int) -> None:
        """Take over what the kernel side said of it, unless something later is known.

        Queries are timed by the coarse clock: within a tick of it nobody knows which was later, and both hold.
        """
        if at >= self.flags_at:
            self.flags, self.flags_at = flags, at
        elif at >= self.flags_at - _COARSE_TICK:
            self.flags |= flags

    def note_check(self, at: int) -> None:
        """Note that it did a stat of resolv.conf."""
        if at > self.checked:
            self.checked = at
            self.checks = (*self.checks, at)[-_KEPT_CHECKS:]

    @property
    def looked(self) -> int:
        """When it last looked at resolv.conf, by a stat or a read; 0 if it never did."""
        read = self.read_state.last_read
        return max(self.checked, read.at) if read is not None else self.checked

    def note_query_pattern(self, address: str, queries: Queries, *, complete: bool) -> None:
        """Note how queries go with its looks at the file, if that has to do with the nameserver.

        ``complete``: see :meth:`tracer.verdict.following.QueryPattern.add`.
        """
        view = self.view
        if view is None or view.history.listed_once(address):
            self.query_pattern.add(queries, self.looked, complete=complete)

    @property
    def has_queried(self) -> bool:
        """Whether it has sent a query itself."""
        return any(pair.own_queries for pair in self.pairs.values())

    @property
    def is_worker(self) -> bool:
        """Whether a living owner stands for it."""
        return self._owner is not None

    @property
    def read_state(self) -> ResolverState:
        """The state whose reads count for it: its own, or its helper's."""
        return self.helper.res_state if self.helper is not None else self.res_state

    @property
    def reads(self) -> tuple[Read, ...]:
        """The latest reads of resolv.conf that count for it, oldest first."""
        return self.read_state.reads

    @property
    def view(self) -> View | None:
        """The view that it is judged by: the upstreams' of a forwarder, the last read one, or the one it has."""
        return self.upstreams or self.read_state.view or self.own_view

    @property
    def last_read(self) -> Read | None:
        """When it last read its view's file, or checked that it was unchanged; and the generation it found."""
        view, read = self.view, self.read_state.last_read
        if view is None or not self.checked or (read is not None and self.checked <= read.at):
            return read
        found = view.history.at(self.checked).number
        return Read(self.checked, found) if read is None or found == read.generation else read

    @property
    def read_generation(self) -> int | None:
        """The generation that it last read."""
        read = self.last_read
        return read.generation if read else None

    def must_have_read(self, address: str) -> bool:
        """Tell whether a query shows that it read the file while no daemon ran.

        It is to a nameserver that is listed now, was not in what the process had read, and that it never queried.
        """
        view, read = self.view, self.res_state.last_read
        if self.saved_pairs is None or view is None or read is None or view is not self.res_state.view:
            return False
        had = view.history.generation(read.generation)
        # One that was flagged stays so: a query by another of its paths is no sign of a read.
        known = any(
            key.address == address or pair.evidence.flagged is not None for key, pair in self.saved_pairs.items()
        ) or any(key.address == address and pair.own_queries for key, pair in self.pairs.items())
        return not known and view.history.lists(address) and had is not None and address not in had.conf.listed

    @property
    def is_tracked(self) -> bool:
        """Whether it has queried, or tried a lookup socket for a name: it read resolv.conf too, or nscd served it."""
        return bool(self.pairs) or self.uses_nscd or (self._tried and bool(self.res_state.reads))

    @property
    def _tried(self) -> bool:
        return any(
            self.flags & (flag << service)
            for flag in (ProcessFlag.ANSWERED, ProcessFlag.REFUSED)
            for service in Service
        )

    @property
    def worst(self) -> State:
        """Its state: the worst of its pairs, but for the ignored; ``current`` if it has no other."""
        shown = (pair.state for pair in self.pairs.values() if not pair.ignored)
        return min(shown, key=_RANK.__getitem__, default=State.CURRENT)

    @property
    def flagged(self) -> int | None:
        """When its oldest standing flag was raised."""
        times = [
            pair.evidence.flagged
            for pair in self.pairs.values()
            if pair.state is State.STALE and pair.evidence.flagged is not None and not pair.ignored
        ]
        return min(times, default=None)

    def behaviour(self, suspends: tuple[Suspend, ...] = ()) -> Behaviour:
        """Tell what it did, as far as that clears a flag; and when the machine was suspended."""
        view, generation = self.view, self.read_generation
        listed = [
            last
            for key, pair in self.pairs.items()
            if view is not None
            and (last := pair.evidence.last_listed(view.history, key.address, generation)) is not None
        ]
        read = self.read_state.last_read
        return Behaviour(
            self.id.birth or None,
            read.at if read else None,
            read.generation if read else None,
            self.read_state.first_reads,
            self.checked,
            max(listed, default=None),
            suspends,
            self.read_state.appeared,
        )

    @property
    def last_answer(self) -> int:
        """When any nameserver last answered it, as far as that was seen; 0 if none was."""
        return max((pair.answering.last for pair in self.pairs.values()), default=0)

    def answers(self, key: PairKey, last_of_all: int) -> Answers:
        """Tell whether a nameserver answers it; ``last_of_all``: when that last answered anybody, 0 if never."""
        return self.pairs[key].answering.answers(self.last_answer, last_of_all)

    @property
    def lookup_path(self) -> LookupPath:
        """How it looks names up, by what was seen of the lookup sockets and of its own queries."""
        queries = any(
            pair.evidence.last is not None and pair.evidence.last > self.answered for pair in self.pairs.values()
        )
        return lookup_path(self.flags, self.lookups, queries=queries, resolves_itself=self._resolves_itself)

    @property
    def _resolves_itself(self) -> bool:
        """Whether what it tried nscd's socket for was no name, but a user, as servers do when they start.

        glibc queries no nameserver before it has read resolv.conf, and a forwarder queries what its clients query.
        """
        never_read = self.owner.id.execs > 0 and not self.flags & ProcessFlag.READ_ONCE
        return never_read or bool(self.forwards) or self.upstreams is not None

    @property
    def nscd_would_help(self) -> bool:
        """Whether all that was seen of its own lookups goes the way that tries nscd first."""
        return self.lookup_path is LookupPath.NSS and self.lookups.all_through_nss
