"""Who exits, or calls exec: its heirs go on with what it had, and what it queried becomes a past use."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

from tracer.kernel.records import ProcessFlag
from tracer.ledger.changes import Changes
from tracer.ledger.evaluator import Evaluator
from tracer.ledger.helpers import Helpers
from tracer.ledger.owners import Owners
from tracer.ledger.pair import Pair, PairKey
from tracer.ledger.past_uses import PastUses
from tracer.ledger.process import Process
from tracer.ledger.process_table import ProcessTable
from tracer.ledger.resolver_state import StateTable
from tracer.observation import values as seen

_LEFT_FOR = 1
"""Ticks for which a process that left is kept, for what it sent at last."""


class Exits:
    """Those that left, until they are kept no more."""

    def __init__(
        self,
        processes: ProcessTable,
        states: StateTable,
        owners: Owners,
        helpers: Helpers,
        evaluator: Evaluator,
        past_uses: PastUses,
        changes: Changes,
    ) -> None:
        self._processes = processes
        self._states = states
        self._owners = owners
        self._helpers = helpers
        self._evaluator = evaluator
        self._past_uses = past_uses
        self._changes = changes
        self._left: list[dict[Process, None]] = [{} for _ in range(_LEFT_FOR + 1)]
        """By tick, in the order in which they left."""

    def enter(self, left: seen.ProcessLeft) -> None:
        """Enter an exit or an exec."""
        process = self._processes.get(seen.key_of(left.subject))
        if process is None or process.ended is not None:
            return
        process.note_flags(left.subject.flags, left.at)
        process.ended, process.execed = left.at, left.execed
        state = process.res_state
        if not process.is_worker:
            for heir in self._owners.new_owners(process, state):
                self._inherit(process, heir)
        process.set_owner(process)
        self._changes.note_count(process)
        self._left[-1][process] = None
        self._helpers.note_left(process)

    def _inherit(self, owner: Process, heir: Process) -> None:
        """Let an heir go on with what the owner had; what it read is in the state already."""
        heir.flags |= owner.flags & ~ProcessFlag.FORKED
        heir.note_check(owner.checked)
        if heir.query_pattern.last < owner.query_pattern.last:
            heir.query_pattern = deepcopy(owner.query_pattern)
        heir.helper = heir.helper or owner.helper
        heir.pairs |= _inherited(owner.pairs, heir.pairs)
        if heir.saved_pairs is not None:
            heir.saved_pairs |= _inherited(owner.saved_pairs or {}, heir.saved_pairs)
        self._changes.note(heir)

    def evaluate(self, now: int) -> None:
        """Bring the states of those up to date that left in this tick: what they queried in it counts by them."""
        for process in self._left[-1]:
            if not process.steady:
                self._evaluator.evaluate(process, now)

    def end_tick(self) -> bool:
        """Make past uses of what those queried that left in this tick, and part with those that left before.

        True if one was flagged.
        """
        was_flagged = any(process.flagged is not None for process in self._left[-1])
        for process in self._left[-1]:
            self._evaluator.forget(process)
            for key, pair in process.pairs.items():
                self._past_uses.add(process, key, pair)
        for process in self._left.pop(0):
            self._processes.drop(process)
            if _had_state_alone(process):
                self._states.drop(process.res_state)
        self._left.append({})
        return was_flagged

    def is_past_use(self, process: Process) -> bool:
        """Tell whether a process left a tick ago, when what it had queried became a past use."""
        return process in self._left[0]

    @property
    def waits(self) -> bool:
        """Whether a process that left is still kept."""
        return any(self._left)


def _had_state_alone(process: Process) -> bool:
    """Tell whether nobody else can have the state of a process, above it or below, nor be helped by what it read."""
    state = process.res_state
    is_shared = process.line or process.flags & ProcessFlag.FORKED or state.members or state.is_shared
    return bool(process.pairs) and not is_shared


def _inherited(pairs: Mapping[PairKey, Pair], own: Mapping[PairKey, Pair]) -> dict[PairKey, Pair]:
    return {key: pair.for_heir(own.get(key)) for key, pair in pairs.items()}
