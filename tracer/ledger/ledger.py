"""The ledger: what every tracked process did. It does no I/O, decides nothing, and alone changes an entry.

The books are kept by resolver state (:mod:`tracer.ledger.resolver_state`): every query and every read comes with the
number of the state it was made in, and so does what a process and its workers share. The owner of the contract is the
topmost living process of the line that has the state; whatever its workers query counts for it too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable

from tracer.identity import Identity
from tracer.kernel.losses import none_lost
from tracer.kernel.records import ProcessFlag
from tracer.ledger.brief import BriefProcesses
from tracer.ledger.changes import Changes
from tracer.ledger.evaluator import Evaluator
from tracer.ledger.exits import Exits
from tracer.ledger.helpers import Helpers
from tracer.ledger.last_answers import LastAnswers
from tracer.ledger.owners import Owners
from tracer.ledger.past_uses import PastUses
from tracer.ledger.process import Process
from tracer.ledger.process_table import ProcessTable
from tracer.ledger.query_counts import QueryCounts
from tracer.ledger.reads import Reads
from tracer.ledger.resolver_state import StateTable
from tracer.lookups import Transport
from tracer.observation import values as seen
from tracer.observation.forwarders import Forwarding
from tracer.resolvconf.view import View
from tracer.verdict.rules import Policy
from tracer.verdict.states import State

_MOST_FILES = 16


class Ledger:
    """Every tracked process, and those that share a resolver state with one."""

    def __init__(self, host: View, policy: Policy, lost: Counter[str] | None = None) -> None:
        """Begin with no process; ``lost`` counts what cannot be recorded (:mod:`tracer.kernel.losses`)."""
        self.host = host
        self.lost = none_lost() if lost is None else lost
        self.processes = ProcessTable()
        self.states = StateTable()
        self.past_uses = PastUses(self.lost)
        self.last_answers = LastAnswers()
        self.evaluator = Evaluator(host, policy)
        self.tracked: set[Process] = set()
        self._changes = Changes()
        self._owners = Owners(self.processes, self.states, self._changes)
        self._helpers = Helpers(self.processes, self._changes)
        self._reads = Reads(self.states, self._owners, self._helpers, self._changes)
        self._exits = Exits(
            self.processes, self.states, self._owners, self._helpers, self.evaluator, self.past_uses, self._changes
        )
        self._queries = QueryCounts(
            self.processes,
            self.states,
            self._owners,
            self._reads,
            self._helpers,
            self._exits,
            self.evaluator,
            self.past_uses,
            self.last_answers,
            self._changes,
        )
        self._brief = BriefProcesses(host, self.processes, self.past_uses, self.last_answers, self._queries.total)
        self.complete_until = 0
        """Until when all that happened is entered: a query after it may still turn out to have been late."""

    # What the tick observed.

    def apply(self, batch: seen.Batch) -> None:
        """Enter a tick's observations, in order of time."""
        self.complete_until = batch.until
        self._owners.begin_tick(batch)
        for one in sorted(self._brief.enter(batch), key=lambda one: one.at):
            match one:
                case seen.QueriesSent():
                    self._queries.enter(one)
                case seen.FileRead():
                    self._reads.enter(one)
                case seen.ReadUndone():
                    self._reads.enter_undone(one)
                case seen.ProcessLeft():
                    self._exits.enter(one)
                case seen.SocketTried():
                    self._enter_socket_tried(one)
                case seen.NscdUsed():
                    self._owners.find(one.subject).uses_nscd = True
                case seen.OtherFileOpened():
                    self._enter_other_file(one)
        self._owners.end_tick()

    def _enter_other_file(self, opened: seen.OtherFileOpened) -> None:
        process = self._owners.find(opened.subject)
        if len(process.other_files) < _MOST_FILES:
            process.other_files |= {opened.path}

    def _enter_socket_tried(self, tried: seen.SocketTried) -> None:
        process = self._owners.find(tried.subject)
        process.note_flags(tried.subject.flags, tried.at)
        if process.flags & (ProcessFlag.ANSWERED << tried.service):
            process.answered = tried.at
        self._changes.note(process)

    def note_change(self, process: Process) -> None:
        """Note that more has changed than how much it queried: it has to be evaluated again."""
        self._changes.note(process)

    def restore_owners(self) -> None:
        """Find whose state each restored process uses."""
        self._owners.restore()

    # Queries of which more changes nothing.

    def is_steady(self, sent: seen.QueriesSent) -> bool:
        """Tell whether more of these queries would change nothing but counts and times."""
        return self._queries.is_steady(sent)

    def count_steady(self, sent: Iterable[seen.QueriesSent]) -> None:
        """Enter queries of which that was so, outside of any tick."""
        self._queries.count_steady(sent)

    # The end of a tick.

    def find_helpers(self) -> None:
        """Find who reads the file for those that query and never read it: a relative that runs the same program."""
        self._helpers.find()

    def perhaps_forwarders(self) -> list[Process]:
        """Give those of which it has to be known now whether they forward.

        Who queries for the first time; and who is about to be flagged, since it may have begun to serve meanwhile.
        """
        return [
            process
            for process in self._changes.in_tick
            if process.ended is None
            and ((process.forwards is None and process.pairs) or self.evaluator.would_flag(process))
        ]

    def note_forwarding(self, process: Process, forwarding: Forwarding) -> None:
        """Note whether a process queries on behalf of others, and by which file."""
        process.forwards, process.serves = forwarding.forwards, forwarding.serves
        if forwarding.upstreams is not process.upstreams:
            process.upstreams = forwarding.upstreams
            self._read_upstreams(process)
        self._changes.note(process)

    def _read_upstreams(self, process: Process) -> None:
        """Drop what it read for itself: that says nothing of the file that it takes its upstreams from."""
        state = process.res_state
        if process.upstreams is not None and state.view is not process.upstreams:
            state.view, state.reads, state.first_reads = process.upstreams, (), ()

    def perhaps_frozen(self) -> list[Process]:
        """Give those of which it has to be known now whether inotify(7) tells them of a change.

        Who queries again and again without a look at the file.
        """
        return [
            process
            for process in self._changes.in_tick
            if process.ended is None and process.query_pattern.watches is None and process.query_pattern.never_looks()
        ]

    def note_watching(self, process: Process, *, watches: bool) -> None:
        """Note whether inotify(7) tells a process of a change of its resolv.conf."""
        process.query_pattern.watches = watches

    def end_tick(self) -> bool:
        """End a tick: bring the states of whatever changed up to date; True if a flag was raised or cleared."""
        flags_changed = self.evaluate_changed()
        self._exits.evaluate(self.complete_until)
        self._queries.end_tick()
        flags_changed |= self._exits.end_tick()
        self._take_stock()
        return flags_changed

    def evaluate_changed(self) -> bool:
        """Bring the states of whatever changed up to date; True if a flag was raised or cleared.

        They are those of the end of the last tick: so a grace is over when nothing of it is left to be entered.
        """
        flags_changed = False
        for process in {*self._changes.in_tick, *self.evaluator.in_grace}:
            if not process.steady and process.ended is None:
                flags_changed |= self.evaluator.evaluate(process, self.complete_until)
                self._changes.note_evaluated(process)
        return flags_changed

    def _take_stock(self) -> None:
        for process in self._changes.end_tick():
            if process.is_tracked and process.ended is None:
                self.tracked.add(process)
            else:
                self.tracked.discard(process)

    # What the others take.

    @property
    def queries_total(self) -> Counter[tuple[State, Transport]]:
        """All queries, by the state that the pair had when they were read."""
        return self._queries.total

    @property
    def has_changed(self) -> bool:
        """Whether the next tick has anything to do but to enter what is observed: flags and graces are looked after."""
        return bool(self._changes.in_tick or self._exits.waits or self.evaluator.in_grace or self.evaluator.flagged)

    def take_unsteady(self) -> list[Process]:
        """Give those that were evaluated in this tick and are not steady."""
        return self._changes.take_unsteady()

    def take_heirs(self) -> list[int]:
        """Give the pids of those that began to own themselves and did nothing so far: their exit matters now."""
        return [heir.pid for heir in self._changes.take_heirs()]

    def take_unreported(self) -> set[Process]:
        """Give the living ones that changed since the last call."""
        return self._changes.take_unreported()

    def take_unsaved(self) -> set[Process]:
        """Give the same for the store, and those that left of which it has a record."""
        return self._changes.take_unsaved()

    def take_unsaved_counts(self) -> set[Process]:
        """Give those, for the store, of which :meth:`count_steady` has changed counts: it may be everybody."""
        return self._changes.take_unsaved_counts()

    def identity_of(self, pid: int, birth: int) -> Identity | None:
        """Tell who a living process is that is kept."""
        found = self.processes.at(pid, birth)
        return found.identity if found is not None and found.ended is None else None

    def views_in_use(self, lives: Callable[[Process], bool] = lambda process: process.ended is None) -> set[str]:
        """Tell which views living processes are judged by, or would be."""
        used = (view for one in self.processes if lives(one) for view in (one.view, one.own_view))
        return {view.id for view in used if view is not None}

    # What changes beside.

    def views_changed(self, views: Collection[View]) -> list[Process]:
        """Evaluate whoever a change concerns again; gives them."""
        self.states.date_reads(views)
        concerned = [process for process in self.processes if process.view in views or self.host in views]
        for process in concerned:
            self._changes.note(process)
        return concerned

    def set_policy(self, policy: Policy) -> None:
        """Judge everybody by other thresholds and rules."""
        self.evaluator.policy = policy
        for process in self.processes:
            self._changes.note(process)

    def forget_unused_states(self, living: Collection[int]) -> None:
        """Drop the states that no process has, and that no helper of one had."""
        self.states.forget_unused({*living, *self._helpers.states()})
