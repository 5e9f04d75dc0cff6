"""Resolver states: what processes share that were forked from one another and read resolv.conf no more since.

The kernel side numbers them: copied by fork, new at exec and at each read of resolv.conf (bpf/maps.h, fresh_id). What
was read belongs to the state; so a process that was forked from a reader goes by what that read, whoever still lives.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tracer.resolvconf.view import View
from tracer.verdict.verdict import FirstRead

if TYPE_CHECKING:
    from tracer.ledger.process import Process

_KEPT_READS = 16
_KEPT_FIRST_READS = 16


class Read(NamedTuple):
    """A read of the view's file: when (nanoseconds of CLOCK_BOOTTIME), and the generation that it found."""

    at: int
    generation: int


class Origin(NamedTuple):
    """Whose state a process had until it read the file itself: another resolver in it may still go by that."""

    pid: int
    birth: int
    generation: int | None
    """What that state had last read; None if it never read the file."""


@dataclass(slots=True, eq=False)
class ResolverStateFacts:
    """What is known of a resolver state, as the store saves it: a new fact is a field here, with a default.

    ``reads`` are the latest, oldest first; ``first_reads`` the first read of each generation that was read, which
    outlive them. ``appeared`` is when the file was first read after there had been none.
    """

    id: int
    reads: tuple[Read, ...] = ()
    first_reads: tuple[FirstRead, ...] = ()
    origin: Origin | None = None
    appeared: int | None = None


@dataclass(slots=True, eq=False)
class ResolverState(ResolverStateFacts):
    """One resolver state. ``view`` is that of the last read, None if the file was never read."""

    view: View | None = None
    members: set[Process] = field(default_factory=set)
    is_shared: bool = False
    """Whether it may be needed when it has no members: it has another number too, or helps others."""

    @property
    def last_read(self) -> Read | None:
        """The latest read."""
        return self.reads[-1] if self.reads else None

    def after_read(self, state_id: int, at: int, view: View | None) -> ResolverState:
        """Give the state that a read makes out of this one."""
        if view is None:
            return ResolverState(state_id, self.reads, self.first_reads, self.origin, self.appeared, self.view)
        same = self.view is view
        read = Read(at, view.history.at(at).number)
        state = ResolverState(
            state_id,
            (*(self.reads if same else ()), read)[-_KEPT_READS:],
            self.first_reads if same else (),
            self.origin,
            self.appeared if same else None,
            view,
        )
        state._note_first_read(read)
        return state

    def date_reads(self) -> None:
        """Bring the generations of the reads up to date: that the file had changed may be noticed after a read."""
        if self.view is None:
            return
        history = self.view.history
        oldest = history.generations[0].began
        self.reads = tuple(
            read._replace(generation=max(read.generation, history.at(read.at).number)) if read.at >= oldest else read
            for read in self.reads
        )
        for read in self.reads:
            self._note_first_read(read)

    def _note_first_read(self, read: Read) -> None:
        known = self.first_reads
        if known and known[-1].at == read.at and known[-1].generation < read.generation:
            # It was taken for one of the generation before.
            known = known[:-1]
        if not known or known[-1].generation < read.generation:
            self.first_reads = (*known, FirstRead(read.generation, read.at))[-_KEPT_FIRST_READS:]


class StateTable:
    """Every resolver state that is kept, by number."""

    def __init__(self) -> None:
        self._states: dict[int, ResolverState] = {}

    def __iter__(self) -> Iterator[ResolverState]:
        return iter(dict.fromkeys(self._states.values()))

    def get(self, state_id: int) -> ResolverState | None:
        """Find one."""
        return self._states.get(state_id)

    def find(self, state_id: int) -> ResolverState:
        """Find one, or begin it with nothing known of it."""
        return self._states.get(state_id) or self.add(ResolverState(state_id))

    def add(self, state: ResolverState) -> ResolverState:
        """Keep one."""
        self._states[state.id] = state
        return state

    def alias(self, number: int, state: ResolverState) -> None:
        """Let another number of the kernel side stand for a state."""
        state.is_shared = True
        self._states[number] = state

    def drop(self, state: ResolverState) -> None:
        """Keep it no more."""
        self._states.pop(state.id, None)

    def forget_unused(self, living: Collection[int]) -> None:
        """Drop the numbers that no process has; ``living`` are those in the kernel's map."""
        for number, state in list(self._states.items()):
            if number not in living and (not state.members or number != state.id):
                del self._states[number]

    def date_reads(self, views: Collection[View]) -> None:
        """See :meth:`ResolverState.date_reads`, after views have changed."""
        for state in self._states.values():
            if state.view in views:
                state.date_reads()
