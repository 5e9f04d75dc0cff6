"""A pair: what one process has to do with one nameserver. Plain values that the ledger keeps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from tracer.ledger.plain import UNSAVED
from tracer.lookups import Transport
from tracer.verdict.answers import Answering
from tracer.verdict.rules import Action, Ruling
from tracer.verdict.states import State
from tracer.verdict.verdict import Evidence, Queries


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

    def add(self, queries: Queries, removal: int | None, *, by_worker: bool) -> None:
        """Add a tick's queries; ``removal`` as in :class:`tracer.verdict.verdict.Evidence`."""
        if by_worker:
            self.worker_queries += queries.number
        else:
            self.queries += queries.number
        self.first = queries.first if self.first is None else min(self.first, queries.first)
        self.last = queries.last if self.last is None else max(self.last, queries.last)
        self.align(removal)
        if removal is not None:
            self.since_removed += queries.sent_after(removal)

    def align(self, removal: int | None) -> None:
        """Restart the count if another removal is in force."""
        if self.removal != removal:
            self.removal, self.since_removed = removal, 0


class Removed(NamedTuple):
    """That a nameserver was removed: the first generation without it, and the end of the grace for this process."""

    generation: int
    grace_until: int


@dataclass(slots=True)
class Pair:
    """What one process has to do with one nameserver."""

    evidence: Evidence = field(default_factory=Evidence)
    uses: dict[tuple[int, Transport], Use] = field(default_factory=dict)
    state: State = State.UNLISTED
    ruling: Ruling | None = field(default=None, metadata=UNSAVED)
    """What the administrator's rules make of it."""
    removed: Removed | None = field(default=None, metadata=UNSAVED)
    """The removal in force, as of the last evaluation."""
    answering: Answering = field(default_factory=Answering)

    @property
    def ignored(self) -> bool:
        """Whether the rules say to ignore it."""
        return self.ruling is not None and self.ruling.action is Action.IGNORE

    @property
    def own_queries(self) -> int:
        """How many queries are the process's own."""
        return sum(use.queries for use in self.uses.values())

    def for_heir(self, own: Pair | None) -> Pair:
        """Give the copy that an heir goes on with; ``own`` is what it has to do with that nameserver already."""
        if own is None:
            own = Pair()
        uses = {key: replace(use, inherited=use.queries) for key, use in self.uses.items()}
        for key, did in own.uses.items():
            use = uses.setdefault(key, replace(did, queries=0, worker_queries=0))
            # What the heir sent as this owner's worker is in the owner's count already.
            use.worker_queries = max(0, use.worker_queries - did.queries)
            use.queries += did.queries
        answering = max((self.answering, own.answering), key=lambda one: (one.last, one.queried))
        return Pair(
            self.evidence.for_heir(own.evidence), uses, self.state, self.ruling, self.removed, replace(answering)
        )
