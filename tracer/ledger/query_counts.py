"""What processes query: counted by process and nameserver, for the owner of the resolver state too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tracer.ledger.changes import Changes
from tracer.ledger.evaluator import Evaluator
from tracer.ledger.exits import Exits
from tracer.ledger.helpers import Helpers
from tracer.ledger.last_answers import LastAnswers
from tracer.ledger.owners import Owners
from tracer.ledger.pair import Pair, PairKey, Use
from tracer.ledger.past_uses import PastUses
from tracer.ledger.process import Process
from tracer.ledger.process_table import ProcessTable
from tracer.ledger.reads import Reads
from tracer.ledger.resolver_state import StateTable
from tracer.lookups import Transport
from tracer.observation import values as seen
from tracer.verdict.states import State

_MOST_PAIRS = 256
_MOST_STEADY = 16
"""Pairs that a process may have: one with more queries half the world, each seldom."""


class QueryCounts:
    """Enters queries and answers."""

    def __init__(
        self,
        processes: ProcessTable,
        states: StateTable,
        owners: Owners,
        reads: Reads,
        helpers: Helpers,
        exits: Exits,
        evaluator: Evaluator,
        past_uses: PastUses,
        last_answers: LastAnswers,
        changes: Changes,
    ) -> None:
        self._processes = processes
        self._states = states
        self._owners = owners
        self._reads = reads
        self._helpers = helpers
        self._exits = exits
        self._evaluator = evaluator
        self._past_uses = past_uses
        self._last_answers = last_answers
        self._changes = changes
        self.total: Counter[tuple[State, Transport]] = Counter()
        """By the state that a pair had when its queries were read."""
        self._counted: list[tuple[Pair, Transport, int]] = []

    def enter(self, sent: seen.QueriesSent) -> None:
        """Enter what a process sent within a tick, or the answer to what it sent before."""
        if not sent.queries.number:
            self._enter_answer(sent)
            return
        subject = sent.subject
        process = self._owners.find(subject)
        process.note_flags(subject.flags, sent.queries.last)
        process.note_check(subject.checked)
        if process.must_have_read(sent.address):
            self._reads.enter_unseen(process, sent)
        if not process.has_queried:
            self._helpers.note_query(process)
        owner = self._owners.owner_of(process, subject)
        pair = self._add(process, sent)
        self._counted.append((pair, sent.transport, sent.queries.number))
        if owner is not process:
            owner.note_check(process.checked)
            self._add(owner, sent, by_worker=True)

    def _enter_answer(self, sent: seen.QueriesSent) -> None:
        """Enter an answer that came without another query; from what nobody queried it is none."""
        key = PairKey(sent.address, sent.netns)
        process = self._processes.get(seen.key_of(sent.subject))
        for one in {process, process.owner} if process is not None else ():
            if key in one.pairs:
                self._note_answers(key, one.pairs[key], sent)
                self._changes.note_count(one)

    def _add(self, process: Process, sent: seen.QueriesSent, *, by_worker: bool = False) -> Pair:
        key, pair = self._count(process, sent, by_worker=by_worker)
        if sent.lookup is not None:
            process.lookups.add(sent.lookup)
        self._changes.note_count(process)
        if self._exits.is_past_use(process):  # a tick ago, when the rest of it became a past use
            number = 0 if by_worker else sent.queries.number
            self._past_uses.add_queries(process.identity, process.view, key.address, number, sent.queries.last)
        if len(process.pairs) > _MOST_PAIRS:
            self._drop_oldest_unlisted(process)
        return pair

    def _count(self, process: Process, sent: seen.QueriesSent, *, by_worker: bool) -> tuple[PairKey, Pair]:
        key = PairKey(sent.address, sent.netns)
        pair = process.pairs.get(key)
        if pair is None:
            pair = process.pairs[key] = Pair()
            process.steady = False
        removal = self._evaluator.add(process, key.address, pair, sent.queries)
        use = pair.uses.setdefault((sent.port, sent.transport), Use())
        use.add(sent.queries, removal, by_worker=by_worker)
        process.note_query_pattern(sent.address, sent.queries, complete=sent.lookup is None)
        self._note_answers(key, pair, sent)
        return key, pair

    def _note_answers(self, key: PairKey, pair: Pair, sent: seen.QueriesSent) -> None:
        if sent.transport is Transport.UDP:
            self._last_answers.note(key, sent.answers.last)
            queries = sent.queries
            pair.answering.add(queries.number, queries.first, queries.last, sent.answers, self._last_answers.of(key))

    def _drop_oldest_unlisted(self, process: Process) -> None:
        """Keep what was never listed for the latest nameservers only: a full resolver queries half the world."""
        view = process.view
        unlisted = [key for key in process.pairs if view is None or not view.history.listed_once(key.address)]
        for key in sorted(unlisted, key=lambda key: process.pairs[key].evidence.last or 0)[: _MOST_PAIRS // 4]:
            self._past_uses.add(process, key, process.pairs.pop(key))

    def end_tick(self) -> None:
        """Count the tick's queries, by the states at its end."""
        for pair, transport, count in self._counted:
            self.total[pair.state, transport] += count
        self._counted.clear()

    # Queries of which more changes nothing.

    def is_steady(self, sent: seen.QueriesSent) -> bool:
        """Tell whether more of these queries would change nothing but counts and times."""
        process = self._processes.get(seen.key_of(sent.subject))
        if process is None or len(process.pairs) > _MOST_STEADY:
            return False
        pair = process.pairs.get(PairKey(sent.address, sent.netns))
        if pair is None or pair.evidence.first is None or pair.evidence.first >= sent.at:
            return False
        view = process.view
        counts_for_pattern = view is not None and view.history.listed_once(sent.address)
        if counts_for_pattern and not process.query_pattern.is_known():
            return False
        return all(
            one.steady and one.ended is None and one.res_state is self._states.get(sent.subject.res_state_id)
            for one in (process, process.owner)
        )

    def count_steady(self, sent: Iterable[seen.QueriesSent]) -> None:
        """Enter queries of which that was so, outside of any tick."""
        for one in sent:
            if not one.queries.number:
                self._enter_answer(one)
                continue
            process = self._owners.find(one.subject)
            process.note_flags(one.subject.flags, one.queries.last)
            process.note_check(one.subject.checked)
            _, pair = self._count(process, one, by_worker=False)
            self.total[pair.state, one.transport] += one.queries.number
            self._changes.note_steady({process, process.owner})
            if process.is_worker:
                process.owner.note_check(process.checked)
                self._count(process.owner, one, by_worker=True)
