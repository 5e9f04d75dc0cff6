"""Whether a process would follow a change of resolv.conf: a pure function of how its queries and its looks go together.

A look is a stat or a read of the file. Nothing here goes by a program's name. Times are nanoseconds of CLOCK_BOOTTIME.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from tracer.resolvconf.history import SECOND, History
from tracer.verdict.verdict import FirstRead, Queries

FEWEST_QUERIES = 5
SHORTEST_SECONDS = 30
"""So many queries over so long without a look at the file tell that a process does not look."""
_FEWEST_LOOKS = 3
_KEPT_LOOKS = 6
_AT_ONCE = 3 * SECOND // 2
"""So long after its look a lookup may still begin to query: it looks first for all that."""
_LATE = SECOND // 1000
"""glibc sends its first query some hundred microseconds after its stat."""
_MOST_STRAYS = 8
"""One stray in so many queries: threads of glibc that look names up at the same moment are taken for strays, too."""
_LONGEST_PACE = 600
_LONGEST_IRREGULAR = 60 * SECOND
_SPREAD = 0.5
_FOLLOWS_WITHIN = 15 * SECOND


class Follows(StrEnum):
    """Whether it would follow."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Because(Enum):
    """What was seen that tells."""

    LOOKS_FIRST = auto()
    """It looks at the file before it queries."""
    LOOKS_AGAIN = auto()
    """It looks at the file every so many seconds, or at the latest so long after a query."""
    FOLLOWED = auto()
    """It re-read the file right after an earlier change, and has stayed on no removed nameserver since."""
    STALE = auto()
    NEVER_LOOKS = auto()
    """It queried again and again without a look at the file."""
    TOO_FEW = auto()
    """Too few queries since its last look."""
    INHERITS = auto()
    """Its parent had read the file before the fork, and it read it once itself: a resolver from there may stay."""
    LATE = auto()
    """It looks at the file before it queries, but so long before that another resolver's look it may be."""
    TWO_WAYS = auto()
    """Some of its queries follow a look, others do not: there may be a second resolver in it."""
    WATCHES = auto()
    """inotify(7) tells it or its parent of a change, and nobody sees whether it listens, or is told by the parent."""
    UNSEEN = auto()
    """A 32-bit program: the tracepoints leave out its system calls."""
    FORWARDS = auto()
    """It queries on behalf of others, and it is not known where it takes its upstreams from."""


class Look(NamedTuple):
    """Looks at the file within a second: the first, the last, and the latest query known to precede the next."""

    first: int
    at: int
    last_query: int


@dataclass(slots=True)
class QueryPattern:
    """How a process's queries to nameservers that resolv.conf lists, or listed, go with its looks at the file.

    Bounded, and of plain values: it is saved. ``queries``, ``first`` and ``last`` are of those that are known to be
    later than the latest look and before the next. Of a tick that is the first alone, since only the looks before that
    are known; the others (``unsettled``) count if the next tick knows of no look either.
    Of all that were ``sent`` since it first looked, ``strays`` are those of a thread that had not looked last.
    ``stayed`` is when it was last flagged. ``watches``: whether inotify(7) tells it of a change; None until that was
    looked at.
    """

    looks: list[Look] = field(default_factory=list)
    queries: int = 0
    unsettled: int = 0
    first: int = 0
    last: int = 0
    sent: int = 0
    strays: int = 0
    stayed: int = 0
    watches: bool | None = None

    def add(self, queries: Queries, looked: int, *, complete: bool = False) -> None:
        """Add queries; ``looked`` is when the process last looked at the file, 0 if it never did.

        ``complete``: all looks until the last of them are known; which one was before them is not, if the latest that
        is known is after them.
        """
        if complete and not queries.sent_after(looked):
            return
        if looked and (not self.looks or looked > self.looks[-1].at):
            self._add_look(looked)
        sent = queries.sent_after(looked)
        if not sent:
            return
        if looked:
            self.sent += queries.number
            self.strays += queries.strays
        all_after = queries.first > looked
        at = queries.first if all_after else queries.last
        certain, last = (sent, queries.last) if complete and all_after else (1, at)
        self.first = self.first or at
        self.last = max(self.last, last)
        self.queries += self.unsettled + certain
        self.unsettled = sent - certain
        if self.looks:
            self.looks[-1] = self.looks[-1]._replace(last_query=self.last)

    def _add_look(self, at: int) -> None:
        if self.looks and at - self.looks[-1].first <= SECOND:
            self.looks[-1] = Look(self.looks[-1].first, at, 0)
        else:
            self.looks.append(Look(at, at, 0))
            del self.looks[:-_KEPT_LOOKS]
        self.queries = self.unsettled = self.first = self.last = 0

    @property
    def seconds(self) -> float:
        """How long it has gone on querying since its latest look."""
        return (self.last - self.first) / SECOND

    def is_known(self, lookup_seconds: int = 0) -> bool:
        """Tell whether enough was seen of it, so that its queries need not be reported in each tick.

        Not of one that looks now and then: how often, only ticks show.
        """
        looks = [look for look in self.looks if look.last_query]
        if len(looks) < _FEWEST_LOOKS:
            return self.never_looks(lookup_seconds)
        return all(look.last_query - look.at <= _AT_ONCE for look in looks)

    def never_looks(self, lookup_seconds: int = 0) -> bool:
        """Tell whether it queried so often and for so long that a look would have come.

        ``lookup_seconds``: the longest that a single lookup can last, which looks once and queries again and again.
        """
        return self.queries >= FEWEST_QUERIES and self.seconds >= max(SHORTEST_SECONDS, lookup_seconds)


@dataclass(frozen=True, slots=True)
class Facts:
    """What else is known of the process.

    ``forwards``: it queries on behalf of others, and where it takes its upstreams from is not known.
    ``first_reads``: of its view, the first read of each generation. ``seen``: whether its looks would be seen.
    ``uses_nss``: it was seen to look names or users up as glibc does. ``inherits``: its parent had read the file before
    the fork, and it has done so itself hardly more than once.
    """

    stale: bool = False
    seen: bool = True
    forwards: bool = False
    uses_nss: bool = False
    inherits: bool = False
    lookup_seconds: int = 0
    first_reads: Sequence[FirstRead] = ()
    history: History | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether it follows, and why. ``seconds``: of a pace, or how soon it re-read. ``generation``: the one it read."""

    follows: Follows
    because: Because
    seconds: int = 0
    generation: int = 0


def would_follow(pattern: QueryPattern, facts: Facts) -> Finding:
    """Tell whether a process would follow, from what it was seen to do."""
    if facts.stale:
        return Finding(Follows.NO, Because.STALE)
    if not facts.seen:
        return Finding(Follows.UNKNOWN, Because.UNSEEN)
    return _by_looks(pattern, facts) or _by_history(pattern, facts) or _by_silence(pattern, facts)


def _by_silence(pattern: QueryPattern, facts: Facts) -> Finding:
    """Tell what it means that it looked at the file no more, as far as it had cause to."""
    if not pattern.never_looks(facts.lookup_seconds):
        return Finding(Follows.UNKNOWN, Because.TOO_FEW)
    if pattern.watches:
        return Finding(Follows.UNKNOWN, Because.WATCHES)
    if facts.forwards:
        return Finding(Follows.UNKNOWN, Because.FORWARDS)
    return Finding(Follows.NO, Because.NEVER_LOOKS)


def _by_looks(pattern: QueryPattern, facts: Facts) -> Finding | None:
    looks = [look for look in pattern.looks if look.last_query]
    if len(looks) < _FEWEST_LOOKS:
        return None
    longest = max(look.last_query - look.at for look in looks)
    if longest <= _AT_ONCE:
        # What does not go by NSS may look in one thread and query in others (Go).
        if facts.uses_nss and pattern.strays > 1 and pattern.strays * _MOST_STRAYS > pattern.sent:
            return Finding(Follows.UNKNOWN, Because.TWO_WAYS)
        if _by_history(pattern, facts) is not None:
            return Finding(Follows.YES, Because.LOOKS_FIRST)
        return _first(looks, facts)
    seconds = pace([look.first for look in pattern.looks])
    if seconds is None and not facts.uses_nss and longest <= _LONGEST_IRREGULAR:
        seconds = max(1, round(longest / SECOND))
    if seconds is None or seconds > _LONGEST_PACE:
        return None
    # That it is due, and more than due, tells that it looks no more.
    overdue = pattern.last - pattern.looks[-1].at > (1 + _SPREAD) * max(seconds, facts.lookup_seconds) * SECOND
    return None if overdue else Finding(Follows.YES, Because.LOOKS_AGAIN, seconds)


def _first(looks: Sequence[Look], facts: Facts) -> Finding:
    """Tell whether the looks before its queries are those of the resolver that queries, of which there may be two."""
    if facts.inherits:
        return Finding(Follows.UNKNOWN, Because.INHERITS)
    if facts.uses_nss and median(look.last_query - look.at for look in looks) > _LATE:
        return Finding(Follows.UNKNOWN, Because.LATE)
    return Finding(Follows.YES, Because.LOOKS_FIRST)


def pace(times: Sequence[int]) -> int | None:
    """Give the seconds between looks if they come at a steady pace; else None."""
    gaps = [later - earlier for earlier, later in pairwise(times)]
    if len(gaps) < _FEWEST_LOOKS - 1:
        return None
    usual = median(gaps)
    return max(1, round(usual / SECOND)) if all(abs(gap - usual) <= _SPREAD * usual for gap in gaps) else None


def _by_history(pattern: QueryPattern, facts: Facts) -> Finding | None:
    """Tell whether it followed the latest change that it lived through."""
    for before, read in reversed(list(pairwise(facts.first_reads))):
        generation = facts.history.generation(read.generation) if facts.history else None
        if generation is None or before.generation >= read.generation:
            continue
        later = read.at - generation.began
        if pattern.stayed < generation.began and 0 <= later <= _FOLLOWS_WITHIN:
            return Finding(Follows.YES, Because.FOLLOWED, later // SECOND, read.generation)
        return None
    return None
