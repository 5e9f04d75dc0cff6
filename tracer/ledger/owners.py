"""Who has which resolver state, and whose it is: the owner is the topmost living process of the line that has it.

A process is begun here with the first that is observed of it.
"""

from __future__ import annotations

from tracer.kernel.records import Subject, ancestor_pid
from tracer.ledger.changes import Changes
from tracer.ledger.process import Process, ProcessId
from tracer.ledger.process_table import ProcessTable
from tracer.ledger.resolver_state import Origin, ResolverState, StateTable
from tracer.observation import values as seen


class Owners:
    """Finds the process that did something, in its state, and lets processes leave a state for another."""

    def __init__(self, processes: ProcessTable, states: StateTable, changes: Changes) -> None:
        self._processes = processes
        self._states = states
        self._changes = changes
        self._newcomers: dict[seen.ProcessKey, seen.Newcomer] = {}
        self._relatives: dict[int, list[seen.Relative]] = {}
        """By the pid of each that their line names."""

    def begin_tick(self, batch: seen.Batch) -> None:
        """Know who may be met in a tick."""
        self._newcomers = batch.newcomers
        for relative in batch.relatives:
            for pid in {ancestor_pid(named) for named in relative.line}:
                self._relatives.setdefault(pid, []).append(relative)

    def end_tick(self) -> None:
        """Forget them."""
        self._newcomers, self._relatives = {}, {}

    def find(self, subject: Subject) -> Process:
        """Find the process that did something, or begin to keep it."""
        key = seen.key_of(subject)
        process = self._processes.get(key) or self._begin(key, subject.res_state_id)
        if process.root != subject.root or process.own_view is None:
            self._note_root(process, subject)
        if (
            subject.res_state_id > process.res_state.id
            and self._states.get(subject.res_state_id) is not process.res_state
        ):
            # Its read has not been reported yet, or was lost.
            self.leave_state(process, self._states.get(subject.res_state_id) or self._unread(process, subject))
        return process

    def find_before(self, read: seen.FileRead | seen.ReadUndone) -> Process:
        """Find a reader, in the state that it had until it read."""
        key = seen.key_of(read.subject)
        process = self._processes.get(key) or self._begin(key, read.res_state_id_before)
        if process.root != read.subject.root:
            self._note_root(process, read.subject)
        return process

    def _note_root(self, process: Process, subject: Subject) -> None:
        """Note that a process has another root directory; if it is not known what it sees there, the view remains."""
        newcomer = self._newcomers.get(seen.key_of(subject))
        process.root = subject.root
        process.own_view = (newcomer.view if newcomer else None) or process.own_view

    def _unread(self, process: Process, subject: Subject) -> ResolverState:
        state = process.res_state.after_read(subject.res_state_id, 0, None)
        state.origin = origin_of(process) or state.origin
        return self._states.add(state)

    def _begin(self, key: seen.ProcessKey, state: int) -> Process:
        newcomer = self._newcomers[key]
        subject = newcomer.subject
        process = Process(ProcessId(*key), newcomer.identity, self._states.find(state), subject.root, newcomer.view)
        process.line = newcomer.line
        process.parent = (subject.parent_tgid, subject.parent_birth)
        process.image, process.flags = subject.image, subject.flags
        self._processes.add(process)
        self._changes.note(process)
        self._set_owner(process, self._processes.owner_in_line(process.line, process.res_state) or process)
        for below in list(self._processes.sharing_below(process)):
            self._set_owner(below, self._processes.owner_in_line(below.line, process.res_state) or below)
        return process

    def restore(self) -> None:
        """Find whose state each restored process uses."""
        for process in self._processes:
            process.set_owner(self._processes.owner_in_line(process.line, process.res_state) or process)

    def owner_of(self, process: Process, subject: Subject) -> Process:
        """Find whose state it used, as the kernel side says; the process itself if it was its own."""
        if self._states.get(subject.res_state_id) is not process.res_state:
            return process
        key = seen.owner_key_of(subject)
        owner = self._processes.get(key)
        if owner is None and key in self._newcomers:
            owner = self._begin(key, subject.res_state_id)
        if owner is process:  # as far as the numbers of the kernel side go, of which several may stand for one state
            owner = self._processes.owner_in_line(process.line, process.res_state) or process
        if owner is not None and owner.ended is None and owner.res_state is process.res_state:
            self._set_owner(process, owner)
        return process.owner

    def leave_state(self, process: Process, state: ResolverState) -> None:
        """Let a process go on in a state of its own; those that it forked before keep the one it had."""
        before = process.res_state
        self._processes.move(process, state)
        process.saved_pairs = None
        self._changes.note(process)
        self.new_owners(process, before)

    def new_owners(self, left: Process, state: ResolverState) -> list[Process]:
        """Find the owners of those whose owner left a state; gives those that own themselves from now on.

        Costs in proportion to those that it forked: thousands may leave one state in a tick.
        """
        new = [
            self._begin(relative.key, state.id)
            for relative in self._relatives.get(left.pid, ())
            if self._states.get(relative.res_state_id) is state
            and any(left.is_named(named) for named in relative.line)
            and self._processes.get(relative.key) is None
            and self._processes.owner_in_line(relative.line, state) is None
        ]
        self._changes.note_heirs(new)
        for worker in list(left.workers or ()):
            owner = self._processes.owner_in_line(worker.line, state) or worker
            self._set_owner(worker, owner)
            if owner is worker:
                new.append(worker)
        return new

    def _set_owner(self, process: Process, owner: Process) -> None:
        if owner is process.owner:
            return
        process.set_owner(owner)
        if owner is not process:
            owner.workers_seen += 1
            self._changes.note_count(owner)
        self._changes.note_count(process)


def origin_of(process: Process) -> Origin | None:
    """Tell whose state a process that reads had until now; None if it was its own."""
    state = process.res_state
    owner = process.owner
    if owner is process:
        owner = next((one for one in state.members if one is not process and not one.is_worker), process)
    if owner is process:
        return None
    read = state.last_read
    return Origin(owner.pid, owner.id.birth, read.generation if read else None)
