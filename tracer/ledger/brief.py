"""Processes whose whole life was within one tick: most commands that look up a name, thousands in a second of a build.

One that read the file, queried what that lists and exited, and whose resolver state was nobody else's, leaves counts
behind and nothing more. These are entered at once: to keep the process for a moment would cost more than all else.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple

from tracer.identity import Identity
from tracer.kernel.records import ProcessFlag, Sharer, ancestor_pid
from tracer.ledger.last_answers import LastAnswers
from tracer.ledger.pair import PairKey
from tracer.ledger.past_uses import PastUses
from tracer.ledger.process_table import ProcessTable
from tracer.lookups import Transport
from tracer.observation import values as seen
from tracer.resolvconf.view import View
from tracer.verdict.states import State

__all__ = ["BriefProcesses"]

_WHOLE_LIFE = {seen.FileRead, seen.QueriesSent, seen.ProcessLeft}
_MORE_THAN_COUNTS = {seen.ReadUndone, seen.NscdUsed}


class _Brief(NamedTuple):
    """Who it was, what it read, and what it queried."""

    identity: Identity
    view: View
    queried: frozenset[PairKey]


class BriefProcesses:
    """Enters them, and what was counted of them too late for the tick of their exit."""

    def __init__(
        self,
        host: View,
        processes: ProcessTable,
        past_uses: PastUses,
        last_answers: LastAnswers,
        total: Counter[tuple[State, Transport]],
    ) -> None:
        """``total`` counts queries, by the state of their pair."""
        self._host = host
        self._processes = processes
        self._past_uses = past_uses
        self._last_answers = last_answers
        self._total = total
        self._left: dict[seen.ProcessKey, _Brief] = {}
        """Those of the tick before."""

    def enter(self, batch: seen.Batch) -> list[seen.Observation]:
        """Enter what is observed of them; gives the observations of all others."""
        lives: defaultdict[seen.ProcessKey, list[seen.Observation]] = defaultdict(list)
        for one in batch.observations:
            lives[seen.key_of(one.subject)].append(one)
        met = {key.pid for key in batch.newcomers}
        before, self._left = self._left, {}
        for key, life in lives.items():
            if key in before:
                self._count(before[key], life)
            elif brief := self._brief(batch.newcomers.get(key), life, met):
                self._left[key] = brief
                self._count(brief, life)
        return [
            one
            for one in batch.observations
            if (key := seen.key_of(one.subject)) not in before and key not in self._left
        ]

    def _brief(
        self, newcomer: seen.Newcomer | None, life: Sequence[seen.Observation], met: Collection[int]
    ) -> _Brief | None:
        """Give who it was if all that it leaves behind are counts."""
        kinds = {type(one) for one in life}
        if newcomer is None or not kinds >= _WHOLE_LIFE or kinds & _MORE_THAN_COUNTS:
            return None
        reads = [one for one in life if isinstance(one, seen.FileRead)]
        view, state = reads[-1].view, reads[-1].subject.res_state_id
        if view is None or self._processes.get(seen.key_of(newcomer.subject)) is not None:
            return None
        is_brief = (
            all(self._is_alone(read, met) for read in reads)
            and not any(one.subject.flags & ProcessFlag.FORKED for one in life if isinstance(one, seen.ProcessLeft))
            and all(
                one.subject.res_state_id == state and self._is_current(one, view)
                for one in life
                if isinstance(one, seen.QueriesSent)
            )
        )
        if not is_brief:
            return None
        queried = frozenset(_pair(one) for one in life if isinstance(one, seen.QueriesSent))
        return _Brief(newcomer.identity, view, queried)

    def _is_alone(self, read: seen.FileRead, met: Collection[int]) -> bool:
        """Tell whether nobody who is kept, or is met in this tick, had the state that a reader had until then."""
        if read.shared & Sharer.BY_CHILDREN:
            return False
        return not any(pid in met or self._processes.has_pid(pid) for pid in map(ancestor_pid, read.line))

    def _is_current(self, sent: seen.QueriesSent, view: View) -> bool:
        """Tell whether queries are the process's own, and to what its view lists for everybody, and the host's too."""
        if not sent.queries.number or seen.owner_key_of(sent.subject) != seen.key_of(sent.subject):
            return False
        if not view.history.lists(sent.address):
            return False
        return view is self._host or self._host.history.removal(sent.address, None) is None

    def _count(self, brief: _Brief, life: Sequence[seen.Observation]) -> None:
        for sent in life:
            if not isinstance(sent, seen.QueriesSent):
                continue
            is_known = _pair(sent) in brief.queried
            if sent.transport is Transport.UDP and (is_known or sent.queries.number):
                self._last_answers.note(_pair(sent), sent.answers.last)
            if not sent.queries.number:
                continue
            # What is counted late of a known pair was listed a moment ago.
            state = State.CURRENT if is_known or self._is_current(sent, brief.view) else State.UNLISTED
            self._total[state, sent.transport] += sent.queries.number
            self._past_uses.add_queries(
                brief.identity, brief.view, sent.address, sent.queries.number, sent.queries.last
            )


def _pair(sent: seen.QueriesSent) -> PairKey:
    return PairKey(sent.address, sent.netns)
