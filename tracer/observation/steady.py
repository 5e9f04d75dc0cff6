"""What processes query of which more changes nothing: the kernel side counts it, and here the counts are read.

A process that queries what its resolv.conf lists does so in every tick. As long as nothing changes that it is judged
by, the daemon need not know: it takes the counts for a snapshot, or when something is about to change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from tracer.kernel.records import Counts, Queries, QueryKey
from tracer.observation.values import QueriesSent, key_of, owner_key_of
from tracer.verdict import verdict
from tracer.verdict.answers import AnswersSeen

_Process = tuple[int, int, int]
"""Pid, birth and number of execs."""


class Places(Protocol):
    """Where the programs count such pairs (:class:`tracer.kernel.steady.SteadyPairs`)."""

    def add(self, key: QueryKey, queries: Queries) -> int | None:
        """Put a pair in a place; None if there is none for it."""

    def retire(self, place: int) -> None:
        """Let the programs count there no more."""

    def after_grace_period(self) -> list[int]:
        """Give the places in which nobody counts any more."""

    def free(self, place: int) -> None:
        """Let a place be used again."""


class Counting(Protocol):
    """The kernel side."""

    @property
    def steady(self) -> Places:
        """Where it counts."""

    def steady_counts(self, place: int) -> Counts:
        """Tell what was counted in a place so far."""


@dataclass(slots=True)
class _Kept:
    key: QueryKey
    sent: QueriesSent
    """As it was last reported."""
    number: int = 0
    strays: int = 0
    answered: int = 0
    """How much of what was counted has been reported."""


class SteadyQueries:
    """The pairs that the kernel side counts on its own."""

    def __init__(self, kernel: Counting) -> None:
        self._kernel = kernel
        self._kept: dict[int, _Kept] = {}
        self._retired: dict[int, _Kept] = {}
        self._places: dict[_Process, set[int]] = {}
        self._by_key: dict[QueryKey, int] = {}

    def keep(self, key: QueryKey, queries: Queries, sent: QueriesSent) -> None:
        """Have a pair counted in a place of its own from now on, as far as there is room."""
        place = self._by_key.get(key)
        if place is not None:
            if not _is_same(self._kept[place].sent, sent):  # the programs count there no more
                self._retire(place)
            return
        place = self._kernel.steady.add(key, queries)
        if place is None:
            return
        self._kept[place] = _Kept(key, sent)
        self._by_key[key] = place
        for process in _processes(sent):
            self._places.setdefault(process, set()).add(place)

    def take(self, processes: Iterable[_Process]) -> list[QueriesSent]:
        """Give what these processes queried, and their workers, since that was last reported."""
        return self._take({place for process in processes for place in self._places.get(process, ())})

    def take_all(self) -> list[QueriesSent]:
        """Give the same of all processes."""
        return self._take(self._kept)

    def retire(self, processes: Iterable[_Process]) -> None:
        """Have what these processes query, and their workers, reported in each tick again."""
        for place in {place for process in processes for place in self._places.get(process, ())}:
            self._retire(place)

    def after_grace_period(self) -> list[QueriesSent]:
        """Give what was still counted for those that were retired before it."""
        sent: list[QueriesSent] = []
        for place in self._kernel.steady.after_grace_period():
            sent += self._more(self._retired.pop(place), place)
            self._kernel.steady.free(place)
        return sent

    def _take(self, places: Iterable[int]) -> list[QueriesSent]:
        return [sent for place in places for sent in self._more(self._kept[place], place)]

    def _retire(self, place: int) -> None:
        kept = self._kept.pop(place)
        self._retired[place] = kept
        del self._by_key[kept.key]
        for process in _processes(kept.sent):
            places = self._places[process]
            places.discard(place)
            if not places:
                del self._places[process]
        self._kernel.steady.retire(place)

    def _more(self, kept: _Kept, place: int) -> Iterator[QueriesSent]:
        """Give what was counted since, if anything; the first of it is known to be after the one before."""
        counts = self._kernel.steady_counts(place)
        number = max(0, counts.number - kept.number)
        is_answered = counts.answered > kept.answered
        if not (number or is_answered):
            return
        answers = (
            AnswersSeen(counts.answered, counts.unanswered, counts.unanswered_since) if is_answered else AnswersSeen()
        )
        before = kept.sent.queries.last
        last = max(before, counts.last) if number else before
        queries = verdict.Queries(number, before, last, counts.previous, strays=counts.strays - kept.strays)
        kept.number, kept.strays, kept.answered = counts.number, counts.strays, counts.answered
        kept.sent = kept.sent._replace(at=before, queries=queries, lookup=None, answers=answers)
        yield kept.sent


def _processes(sent: QueriesSent) -> Iterator[_Process]:
    """Give the process and its owner."""
    yield from {key_of(sent.subject), owner_key_of(sent.subject)}


def _is_same(one: QueriesSent, other: QueriesSent) -> bool:
    def described(sent: QueriesSent) -> tuple[object, ...]:
        subject = sent.subject
        return subject.res_state_id, subject.root, key_of(subject), owner_key_of(subject)

    return described(one) == described(other)
