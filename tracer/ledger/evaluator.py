"""What the verdict makes of each process, and who is flagged or in grace now: pure, from the ledger's entries.

It gathers what the verdict needs (histories, rules, thresholds, what the process did) and keeps what that says.
"""

from __future__ import annotations

from tracer.ledger.pair import Pair, Removed
from tracer.ledger.process import Process
from tracer.observation.forwarders import names_itself
from tracer.resolvconf.history import Removal
from tracer.resolvconf.view import View
from tracer.verdict import verdict
from tracer.verdict.rules import Action, Policy
from tracer.verdict.states import State
from tracer.verdict.verdict import Behaviour, Context, Queries, Suspend, Thresholds

_KEPT_SUSPENDS = 16


class Evaluator:
    """Judges processes by the administrator's policy."""

    def __init__(self, host: View, policy: Policy) -> None:
        self._host = host
        self.policy = policy
        self.suspends: tuple[Suspend, ...] = ()
        self.flagged: set[Process] = set()
        self.in_grace: set[Process] = set()
        """Those whose state time alone changes: it ends a grace, and brings a removal into force."""

    def note_suspend(self, suspend: Suspend) -> None:
        """Note that the machine was suspended: such time clears no flag."""
        self.suspends = (*self.suspends, suspend)[-_KEPT_SUSPENDS:]

    def context(self, process: Process) -> Context:
        """Give what a process is judged against."""
        own = process.view
        expected = frozenset(
            key.address for key, pair in process.pairs.items() if pair.ruling and pair.ruling.action is Action.EXPECT
        )
        return Context(
            own.history if own else None,
            self._host.history if own not in {None, self._host} and process.upstreams is None else None,
            bool(process.forwards) and not takes_upstreams_from_resolv_conf(process),
            expected,
            process.read_generation,
        )

    def add(self, process: Process, address: str, pair: Pair, queries: Queries) -> int | None:
        """Add a tick's queries to a pair; gives when the removal in force was noticed, None if there is none."""
        thresholds = self.policy.thresholds_of(process.identity)
        if process.steady and pair.evidence.removal is None:
            pair.evidence = verdict.add(pair.evidence, queries, None, None, thresholds)
            return None
        process.steady = False
        context = self.context(process)
        removal = context.removal(address)
        own_read = process.behaviour().first_read_since(removal) if removal else None
        pair.evidence = verdict.add(pair.evidence, queries, removal, own_read, thresholds)
        if removal is None and context.lists(address):
            # What it queried before this, the clear rule may have done with: what comes later counts from here.
            self._update_flags(process, context, queries.first)
        return removal.noticed if removal else None

    def _update_flags(self, process: Process, context: Context, now: int) -> None:
        thresholds = self.policy.thresholds_of(process.identity)
        behaviour = process.behaviour(self.suspends)
        for key, pair in process.pairs.items():
            if pair.evidence.late:
                pair.evidence = verdict.update_flag(pair.evidence, key.address, context, behaviour, thresholds, now)

    def would_flag(self, process: Process) -> bool:
        """Tell whether a flag is about to be raised: whether it forwards has to be known by then."""
        least = self.policy.thresholds_of(process.identity).min_queries
        return any(
            pair.evidence.flagged is None and pair.evidence.late >= least and pair.state is not State.STALE
            for pair in process.pairs.values()
        )

    def evaluate(self, process: Process, now: int) -> bool:
        """Bring the states of a process's pairs up to date; True if a flag was raised or cleared.

        Afterwards it is ``steady`` if nothing that it queries was removed, or it has left that without a query after
        the grace: then more queries to what is listed, or never was, change no state.
        """
        before = _flags(process)
        for key, pair in process.pairs.items():
            pair.ruling = self.policy.ruling(process.identity, key.address)
        thresholds = self.policy.thresholds_of(process.identity)
        context, behaviour = self.context(process), process.behaviour(self.suspends)
        awaits_removal = False
        for key, pair in process.pairs.items():
            pair.evidence = verdict.update_flag(pair.evidence, key.address, context, behaviour, thresholds, now)
            pair.state = verdict.state_of(pair.evidence, key.address, context, behaviour, thresholds, now)
            removal = context.removal(key.address)
            if removal is not None and not verdict.is_in_force(removal, now):
                removal, awaits_removal = None, True
            pair.removed = _removed(removal, behaviour, thresholds)
            for use in pair.uses.values():
                use.align(pair.evidence.removal)
        process.steady = all(
            pair.evidence.removal is None or (pair.state is State.RETIRED and not pair.evidence.late)
            for pair in process.pairs.values()
        )
        is_in_grace = any(pair.state is State.GRACE for pair in process.pairs.values())
        _keep(self.in_grace, process, kept=awaits_removal or is_in_grace)
        _keep(self.flagged, process, kept=process.flagged is not None)
        process.query_pattern.stayed = max(
            (process.query_pattern.stayed, *(one for one in _flags(process) if one is not None))
        )
        return before != _flags(process)

    def forget(self, process: Process) -> None:
        """Judge it no more."""
        self.flagged.discard(process)
        self.in_grace.discard(process)


def _removed(removal: Removal | None, behaviour: Behaviour, thresholds: Thresholds) -> Removed | None:
    if removal is None:
        return None
    end = verdict.grace_end(removal, behaviour.first_read_since(removal), thresholds)
    return Removed(removal.generation, end)


def takes_upstreams_from_resolv_conf(process: Process) -> bool:
    """Tell whether a forwarder queries what it read in resolv.conf, and the file does not name the forwarder itself.

    A file that names it is its clients', even if it read that once. So does one whose file is known.
    """
    if process.upstreams is not None:
        return True
    view = process.view
    if view is None or not process.reads:
        return False
    history = view.history
    if names_itself(view, process.serves):
        return False
    read = {read.generation for read in process.reads}
    listed = {address for one in history.generations if one.number in read for address in one.conf.listed}
    return any(key.address in listed for key in process.pairs)


def _flags(process: Process) -> list[int | None]:
    return [pair.evidence.flagged for pair in process.pairs.values()]


def _keep(among: set[Process], process: Process, *, kept: bool) -> None:
    if kept:
        among.add(process)
    else:
        among.discard(process)
