"""The ledger: what every tracked process did. It does no I/O, decides nothing, and alone changes an entry.

The books are kept by resolver state (:mod:`tracer.ledger.resolver_state`): every query and every read comes with the
number of the state it was made in, and so does what a process and its workers share. The owner of the contract is the
topmost living process of the line that has the state; whatever its workers query counts for it too.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from copy import deepcopy

from tracer.identity import Identity
from tracer.kernel.losses import none_lost
from tracer.kernel.records import ProcessFlag, Subject
from tracer.ledger.evaluator import Evaluator
from tracer.ledger.pair import Pair, PairKey, Use
from tracer.ledger.past_uses import PastUses
from tracer.ledger.process import Helper, Process, ProcessId
from tracer.ledger.process_table import ProcessTable
from tracer.ledger.resolver_state import Origin, ResolverState, StateTable
from tracer.lookups import Transport
from tracer.observation import values as seen
from tracer.observation.forwarders import Forwarding
from tracer.observation.lineage import Lineage
from tracer.resolvconf.view import View
from tracer.verdict.rules import Policy
from tracer.verdict.states import State

_MOST_PAIRS = 256
_MOST_STEADY = 16
"""Pairs that a process may have: one with more queries half the world, each seldom."""
_MOST_FILES = 16
_MOST_READERS = 256
_LEFT_FOR = 1
"""Ticks for which a process that left is kept, for what it sent at last."""


class Ledger:
    """Every tracked process, and those that share a resolver state with one."""

    def __init__(self, host: View, policy: Policy, lost: Counter[str] | None = None) -> None:
        """Begin with no process; ``lost`` counts what cannot be recorded (:mod:`tracer.kernel.losses`)."""
        self.host = host
        self.lost = none_lost() if lost is None else lost
        self.processes = ProcessTable()
        self.states = StateTable()
        self.past_uses = PastUses(self.lost)
        self.queries_total: Counter[tuple[State, Transport]] = Counter()
        self.evaluator = Evaluator(host, policy)
        self.tracked: set[Process] = set()
        self.changed: set[Process] = set()
        """Those of which something has changed since the end of the last tick."""
        self._readers: OrderedDict[ProcessId, Process] = OrderedDict()
        """Those that exited, had read resolv.conf and queried nobody: they may have done it for a relative."""
        self._left: list[list[Process]] = [[] for _ in range(_LEFT_FOR + 1)]
        self._newcomers: dict[seen.ProcessKey, seen.Newcomer] = {}
        self._relatives: list[seen.Relative] = []
        self._unreported: set[Process] = set()
        self._unsaved: set[Process] = set()
        self._counted: list[tuple[Pair, Transport, int]] = []
        self._unsteady: list[Process] = []
        self._steady_unsaved: set[Process] = set()
        self.complete_until = 0
        """Until when all that happened is entered: a query after it may still turn out to have been late."""

    # What the tick observed.

    def apply(self, batch: seen.Batch) -> None:
        """Enter a tick's observations, in order of time."""
        self.complete_until = batch.until
        self._newcomers, self._relatives = batch.newcomers, batch.relatives
        for one in sorted(batch.observations, key=lambda one: one.at):
            match one:
                case seen.QueriesSent():
                    self._enter_queries(one)
                case seen.FileRead():
                    self._enter_read(one)
                case seen.ReadUndone():
                    self._enter_undone(one)
                case seen.ProcessLeft():
                    self._enter_left(one)
                case seen.SocketTried():
                    self._enter_socket_tried(one)
                case seen.NscdUsed():
                    self._find(one.subject).uses_nscd = True
                case seen.OtherFileOpened():
                    self._enter_other_file(one)
        self._newcomers, self._relatives = {}, []

    def _find(self, subject: Subject) -> Process:
        """Find the process that did something, or begin to keep it."""
        key = seen.key_of(subject)
        process = self.processes.get(key) or self._begin(key, subject.res_state_id)
        if process.root != subject.root or process.own_view is None:
            newcomer = self._newcomers.get(key)
            process.root, process.own_view = subject.root, newcomer.view if newcomer else process.own_view
        if (
            subject.res_state_id > process.res_state.id
            and self.states.get(subject.res_state_id) is not process.res_state
        ):
            # Its read has not been reported yet, or was lost.
            self._leave_state(process, self.states.get(subject.res_state_id) or self._unread(process, subject))
        return process

    def _unread(self, process: Process, subject: Subject) -> ResolverState:
        state = process.res_state.after_read(subject.res_state_id, 0, None)
        state.origin = _origin(process) or state.origin
        return self.states.add(state)

    def _begin(self, key: seen.ProcessKey, state: int) -> Process:
        newcomer = self._newcomers[key]
        subject = newcomer.subject
        process = Process(ProcessId(*key), newcomer.identity, self.states.find(state), subject.root, newcomer.view)
        process.line = newcomer.line
        process.parent = (subject.parent_tgid, subject.parent_birth)
        process.image, process.flags = subject.image, subject.flags
        self.processes.add(process)
        self.note_change(process)
        self._set_owner(process, self.processes.owner_in_line(process.line, process.res_state) or process)
        return process

    def _set_owner(self, process: Process, owner: Process) -> None:
        if owner is process.owner:
            return
        process.owner = owner
        if owner is not process:
            owner.workers_seen += 1
            self.changed.add(owner)
        self.changed.add(process)

    def note_change(self, process: Process) -> None:
        """Note that more has changed than how much it queried: it has to be evaluated again."""
        process.steady = False
        self.changed.add(process)

    def restore_owners(self) -> None:
        """Find whose state each restored process uses."""
        for process in self.processes:
            process.owner = self.processes.owner_in_line(process.line, process.res_state) or process

    def _enter_queries(self, sent: seen.QueriesSent) -> None:
        if not sent.queries.number:
            self._enter_answer(sent)
            return
        subject = sent.subject
        process = self._find(subject)
        process.note_flags(subject.flags, sent.queries.last)
        process.note_check(subject.checked)
        if process.must_have_read(sent.address):
            self._enter_unseen_read(process, sent)
        owner = self._owner_of(process, subject)
        pair = self._add(process, sent)
        self._counted.append((pair, sent.transport, sent.queries.number))
        if owner is not process:
            owner.note_check(process.checked)
            self._add(owner, sent, by_worker=True)

    def _enter_answer(self, sent: seen.QueriesSent) -> None:
        """Enter an answer that came without another query; from what nobody queried it is none."""
        key = PairKey(sent.address, sent.netns)
        process = self.processes.get(seen.key_of(sent.subject))
        for one in {process, process.owner} if process is not None else ():
            if key in one.pairs:
                _note_answers(one.pairs[key], sent)
                self.changed.add(one)

    def _owner_of(self, process: Process, subject: Subject) -> Process:
        """Find whose state it used, as the kernel side says; the process itself if it was its own."""
        if self.states.get(subject.res_state_id) is not process.res_state:
            return process
        key = seen.owner_key_of(subject)
        owner = self.processes.get(key)
        if owner is None and key in self._newcomers:
            owner = self._begin(key, subject.res_state_id)
        if owner is process:  # as far as the numbers of the kernel side go, of which several may stand for one state
            owner = self.processes.owner_in_line(process.line, process.res_state) or process
        if owner is not None and owner.ended is None and owner.res_state is process.res_state:
            self._set_owner(process, owner)
        return process.owner

    def _add(self, process: Process, sent: seen.QueriesSent, *, by_worker: bool = False) -> Pair:
        key, pair = self._count(process, sent, by_worker=by_worker)
        if sent.lookup is not None:
            process.lookups.add(sent.lookup)
        self.changed.add(process)
        if process in self._left[0]:  # a tick ago, when the rest of it became a past use
            self.past_uses.add_queries(process, key, 0 if by_worker else sent.queries.number, sent.queries.last)
        if len(process.pairs) > _MOST_PAIRS:
            self._drop_oldest_unlisted(process)
        return pair

    def _count(self, process: Process, sent: seen.QueriesSent, *, by_worker: bool) -> tuple[PairKey, Pair]:
        key = PairKey(sent.address, sent.netns)
        pair = process.pairs.get(key)
        if pair is None:
            pair = process.pairs[key] = Pair()
            process.steady = False
        removal = self.evaluator.add(process, key.address, pair, sent.queries)
        use = pair.uses.setdefault((sent.port, sent.transport), Use())
        use.add(sent.queries, removal, by_worker=by_worker)
        process.note_query_pattern(sent.address, sent.queries, complete=sent.lookup is None)
        _note_answers(pair, sent)
        return key, pair

    def _drop_oldest_unlisted(self, process: Process) -> None:
        """Keep what was never listed for the latest nameservers only: a full resolver queries half the world."""
        view = process.view
        unlisted = [key for key in process.pairs if view is None or not view.history.listed_once(key.address)]
        for key in sorted(unlisted, key=lambda key: process.pairs[key].evidence.last or 0)[: _MOST_PAIRS // 4]:
            self.past_uses.add(process, key, process.pairs.pop(key))

    # Queries of which more changes nothing.

    def is_steady(self, sent: seen.QueriesSent) -> bool:
        """Tell whether more of these queries would change nothing but counts and times."""
        process = self.processes.get(seen.key_of(sent.subject))
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
            one.steady and one.ended is None and one.res_state is self.states.get(sent.subject.res_state_id)
            for one in (process, process.owner)
        )

    def count_steady(self, sent: Iterable[seen.QueriesSent]) -> None:
        """Enter queries of which that was so, outside of any tick."""
        for one in sent:
            if not one.queries.number:
                self._enter_answer(one)
                continue
            process = self._find(one.subject)
            process.note_flags(one.subject.flags, one.queries.last)
            process.note_check(one.subject.checked)
            _, pair = self._count(process, one, by_worker=False)
            self.queries_total[pair.state, one.transport] += one.queries.number
            self._steady_unsaved |= {process, process.owner}
            self._unreported |= {process, process.owner}
            if process.is_worker:
                process.owner.note_check(process.checked)
                self._count(process.owner, one, by_worker=True)

    def save_steady(self) -> None:
        """Let the store have what was entered so: seldom, since it may be everybody, and nothing but counts."""
        self._unsaved |= self._steady_unsaved
        self._steady_unsaved.clear()

    def take_unsteady(self) -> list[Process]:
        """Give those that were evaluated in this tick and are not steady."""
        taken, self._unsteady = self._unsteady, []
        return taken

    # Reads.

    def _enter_read(self, read: seen.FileRead) -> None:
        process = self._find_before(read)
        before = process.res_state
        if before.id == read.subject.res_state_id:  # it has queried since, and the state is known by that
            state = before
            read_state = state.after_read(state.id, read.at, self._view_read(process, read))
            state.view, state.reads, state.first_reads = read_state.view, read_state.reads, read_state.first_reads
        else:
            state = self.states.add(
                before.after_read(read.subject.res_state_id, read.at, self._view_read(process, read))
            )
            state.origin = _origin(process) or state.origin
            self._leave_state(process, state)
            if not read.shared and not before.members:
                self.states.drop(before)
        process.note_flags(read.subject.flags, read.at)
        process.query_pattern.watches = None
        process.helper = None
        if process.absent and not read.absent:
            state.appeared = read.at
        process.absent = read.absent
        self.note_change(process)
        self._note_help(process)

    def _note_help(self, reader: Process) -> None:
        """Let a read count for those that it helps."""
        for process in self.processes.related(reader):
            helper = process.helper
            if helper is not None and (helper.pid, helper.birth) == reader.id[:2]:
                process.helper = helper._replace(res_state=reader.res_state)
                self.note_change(process)

    def _enter_undone(self, undone: seen.ReadUndone) -> None:
        """Let the number that the kernel side gave a process stand for the state that it had."""
        process = self._find_before(undone)
        self.states.alias(undone.subject.res_state_id, process.res_state)

    def _find_before(self, read: seen.FileRead | seen.ReadUndone) -> Process:
        """Find a reader, in the state that it had until it read."""
        key = seen.key_of(read.subject)
        process = self.processes.get(key) or self._begin(key, read.res_state_id_before)
        if process.root != read.subject.root:
            newcomer = self._newcomers.get(key)
            process.root, process.own_view = read.subject.root, newcomer.view if newcomer else process.own_view
        return process

    def _view_read(self, process: Process, read: seen.FileRead) -> View | None:
        """Give the view that the read counts for: of a forwarder the one it takes its upstreams from, and no other."""
        if process.upstreams is not None and read.view is not process.upstreams:
            return None
        return read.view

    def _enter_unseen_read(self, process: Process, sent: seen.QueriesSent) -> None:
        """Let it go by a state of its own: while no daemon ran it read the file, as what it queries tells.

        What its workers queried since then is theirs.
        """
        saved = process.saved_pairs or {}
        for key, pair in list(process.pairs.items()):
            own = sum(use.queries for use in pair.uses.values())
            before = saved.get(key)
            if before is None and not own:
                del process.pairs[key]
            elif before is not None and own == sum(use.queries for use in before.uses.values()):
                process.pairs[key] = before
        # Greater than the number that it goes on with in the kernel.
        state = ResolverState(0).after_read(Lineage.fresh_state(sent.at), sent.at - 1, process.view)
        self._leave_state(process, self.states.add(state))

    def _enter_other_file(self, opened: seen.OtherFileOpened) -> None:
        process = self._find(opened.subject)
        if len(process.other_files) < _MOST_FILES:
            process.other_files |= {opened.path}

    # States that processes leave.

    def _leave_state(self, process: Process, state: ResolverState) -> None:
        """Let a process go on in a state of its own; those that it forked before keep the one it had."""
        before = process.res_state
        self.processes.move(process, state)
        process.saved_pairs = None
        self.note_change(process)
        self._new_owners(process, before)

    def _new_owners(self, left: Process, state: ResolverState) -> list[Process]:
        """Find the owners of those whose owner left a state; gives those that own themselves from now on."""
        new = [
            self._begin(relative.key, state.id)
            for relative in self._relatives
            if self.states.get(relative.res_state_id) is state
            and any(left.is_named(named) for named in relative.line)
            and self.processes.get(relative.key) is None
            and self.processes.owner_in_line(relative.line, state) is None
        ]
        for member in list(state.members):
            if member.owner is left and member is not left:
                owner = self.processes.owner_in_line(member.line, state) or member
                self._set_owner(member, owner)
                if owner is member:
                    new.append(member)
        return new

    def _enter_left(self, left: seen.ProcessLeft) -> None:
        process = self.processes.get(seen.key_of(left.subject))
        if process is None or process.ended is not None:
            return
        process.note_flags(left.subject.flags, left.at)
        process.ended, process.execed = left.at, left.execed
        state = process.res_state
        if not process.is_worker:
            for heir in self._new_owners(process, state):
                self._inherit(process, heir)
        process.owner = process
        self.changed.add(process)
        self._left[-1].append(process)
        if process.res_state.reads and not process.pairs:
            self._readers[process.id] = process
            if len(self._readers) > _MOST_READERS:
                self._readers.popitem(last=False)

    def _inherit(self, owner: Process, heir: Process) -> None:
        """Let an heir go on with what the owner had; what it read is in the state already."""
        heir.flags |= owner.flags & ~ProcessFlag.FORKED
        heir.note_check(owner.checked)
        if heir.query_pattern.last < owner.query_pattern.last:
            heir.query_pattern = deepcopy(owner.query_pattern)
        heir.helper = heir.helper or owner.helper
        for key, pair in owner.pairs.items():
            heir.pairs[key] = pair.for_heir(heir.pairs.get(key))
        self.note_change(heir)

    def _enter_socket_tried(self, tried: seen.SocketTried) -> None:
        process = self._find(tried.subject)
        process.note_flags(tried.subject.flags, tried.at)
        if process.flags & (ProcessFlag.ANSWERED << tried.service):
            process.answered = tried.at
        self.note_change(process)

    # The end of a tick.

    def find_helpers(self) -> None:
        """Find who reads the file for those that query and never read it: a relative that runs the same program."""
        for process in self.changed:
            if process.helper is None and process.pairs and not process.res_state.reads and process.ended is None:
                reader = next((one for one in self._relatives_of(process) if _helps(one, process)), None)
                if reader is not None:
                    process.helper = Helper(reader.pid, reader.id.birth, reader.res_state)
                    self.note_change(process)

    def _relatives_of(self, process: Process) -> Iterator[Process]:
        """Give its parent and its children, as far as they are kept or have exited as readers."""
        yield from self.processes.related(process)
        here = (process.pid, process.id.birth)
        for one in reversed(self._readers.values()):
            if one.parent == here or (one.pid, one.id.birth) == process.parent:
                yield one

    def forget_unused_states(self, living: Collection[int]) -> None:
        """Drop the states that no process has, and that no helper of one had."""
        helpers = {process.helper.res_state.id for process in self.processes if process.helper is not None}
        self.states.forget_unused({*living, *helpers})

    def end_tick(self) -> bool:
        """End a tick: bring the states of whatever changed up to date; True if a flag was raised or cleared."""
        flags_changed = self.evaluate_changed()
        self._unsteady += [process for process in self.changed if not process.steady]
        for pair, transport, count in self._counted:
            self.queries_total[pair.state, transport] += count
        self._counted.clear()
        flags_changed |= self._drop_left()
        self._take_stock()
        return flags_changed

    def evaluate_changed(self) -> bool:
        """Bring the states of whatever changed up to date; True if a flag was raised or cleared.

        They are those of the end of the last tick: so a grace is over when nothing of it is left to be entered.
        """
        flags_changed = False
        for process in {*self.changed, *self.evaluator.in_grace}:
            if not process.steady and process.ended is None:
                flags_changed |= self.evaluator.evaluate(process, self.complete_until)
                self.changed.add(process)
                self._unreported.add(process)
        return flags_changed

    def _drop_left(self) -> bool:
        """Make past uses of what those queried that left in this tick, and part with those that left before.

        True if one was flagged.
        """
        was_flagged = any(process.flagged is not None for process in self._left[-1])
        for process in self._left[-1]:
            self.evaluator.forget(process)
            for key, pair in process.pairs.items():
                self.past_uses.add(process, key, pair)
        for process in self._left.pop(0):
            self.processes.drop(process)
        self._left.append([])
        return was_flagged

    def _take_stock(self) -> None:
        for process in self.changed:
            self._unreported.add(process)
            self._unsaved.add(process)
            if process.is_tracked and process.ended is None:
                self.tracked.add(process)
            else:
                self.tracked.discard(process)
        self.changed.clear()

    @property
    def has_changed(self) -> bool:
        """Whether the next tick has anything to do but to enter what is observed: flags and graces are looked after."""
        return bool(self.changed or any(self._left) or self.evaluator.in_grace or self.evaluator.flagged)

    def take_unreported(self) -> set[Process]:
        """Give those that changed since the last call, those among them that left too."""
        taken, self._unreported = self._unreported, set()
        return taken

    def identity_of(self, pid: int, birth: int) -> Identity | None:
        """Tell who a living process is that is kept."""
        found = self.processes.at(pid, birth)
        return found.identity if found is not None and found.ended is None else None

    def take_unsaved(self) -> set[Process]:
        """Give the same, for the store."""
        taken, self._unsaved = self._unsaved, set()
        return taken

    def perhaps_forwarders(self) -> list[Process]:
        """Give those of which it has to be known now whether they forward.

        Who queries for the first time; and who is about to be flagged, since it may have begun to serve meanwhile.
        """
        return [
            process
            for process in self.changed
            if process.ended is None
            and ((process.forwards is None and process.pairs) or self.evaluator.would_flag(process))
        ]

    def note_forwarding(self, process: Process, forwarding: Forwarding) -> None:
        """Note whether a process queries on behalf of others, and by which file."""
        process.forwards, process.serves = forwarding.forwards, forwarding.serves
        if forwarding.upstreams is not process.upstreams:
            process.upstreams = forwarding.upstreams
            self._read_upstreams(process)
        self.note_change(process)

    def perhaps_frozen(self) -> list[Process]:
        """Give those of which it has to be known now whether inotify(7) tells them of a change.

        Who queries again and again without a look at the file.
        """
        return [
            process
            for process in self.changed
            if process.ended is None and process.query_pattern.watches is None and process.query_pattern.never_looks()
        ]

    def note_watching(self, process: Process, *, watches: bool) -> None:
        """Note whether inotify(7) tells a process of a change of its resolv.conf."""
        process.query_pattern.watches = watches

    def _read_upstreams(self, process: Process) -> None:
        """Drop what it read for itself: that says nothing of the file that it takes its upstreams from."""
        state = process.res_state
        if process.upstreams is not None and state.view is not process.upstreams:
            state.view, state.reads, state.first_reads = process.upstreams, (), ()

    def views_changed(self, views: Collection[View]) -> list[Process]:
        """Evaluate whoever a change concerns again; gives them."""
        self.states.date_reads(views)
        concerned = [process for process in self.processes if process.view in views or self.host in views]
        for process in concerned:
            self.note_change(process)
        return concerned

    def set_policy(self, policy: Policy) -> None:
        """Judge everybody by other thresholds and rules."""
        self.evaluator.policy = policy
        for process in self.processes:
            self.note_change(process)

    def views_in_use(self, lives: Callable[[Process], bool] = lambda process: process.ended is None) -> set[str]:
        """Tell which views living processes are judged by, or would be."""
        used = (view for one in self.processes if lives(one) for view in (one.view, one.own_view))
        return {view.id for view in used if view is not None}


def _note_answers(pair: Pair, sent: seen.QueriesSent) -> None:
    if sent.transport is Transport.UDP:
        pair.answering.add(sent.queries.number, sent.queries.first, sent.queries.last, sent.answers)


def _origin(process: Process) -> Origin | None:
    """Tell whose state a process that reads had until now; None if it was its own."""
    state = process.res_state
    owner = process.owner
    if owner is process:
        owner = next((one for one in state.members if one is not process and not one.is_worker), process)
    if owner is process:
        return None
    read = state.last_read
    return Origin(owner.pid, owner.id.birth, read.generation if read else None)


def _helps(one: Process, asker: Process) -> bool:
    same_program = _runs_same_program(one, asker)
    queried = any(use.queries for pair in one.pairs.values() for use in pair.uses.values())
    return same_program and bool(one.res_state.reads) and not queried


def _runs_same_program(one: Process, other: Process) -> bool:
    """Tell whether neither called exec since one was forked from the other, as far as that is known."""
    if one.image and other.image:
        return one.image == other.image
    if one.identity.image and other.identity.image:
        return one.identity.image == other.identity.image
    return one.identity.exe == other.identity.exe
