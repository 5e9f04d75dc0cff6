"""Who is who: the processes that are kept, whose resolver state each uses, and what becomes of it when one ends.

The links come from the lineage; here they are turned into owners and workers (contract.md, "Words").
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from tracer.kernel.records import Flag, KernelProcess, Subject
from tracer.lineage import Lineage
from tracer.process import Process, ProcessId
from tracer.procfs import Identity
from tracer.view import View

_SWEPT = range(20, 10_000)
"""How many are looked at in a sweep: more where the last one found something."""


class Registry(Protocol):
    """What is asked of the machine about a process."""

    def identify(self, subject: Subject) -> Identity:
        """Tell who a process is, also where it is gone already."""

    def view(self, pid: int, root: int, parent: int) -> View | None:
        """Find the view that a process has, or had."""

    def is_alive(self, pid: int) -> bool:
        """Whether any thread of a process runs."""


class Population:
    """Every process that is kept."""

    def __init__(self, lineage: Lineage, registry: Registry) -> None:
        self._lineage = lineage
        self._registry = registry
        self.processes: dict[ProcessId, Process] = {}
        self.changed: set[Process] = set()
        """Those of which something has changed; whoever uses it empties it."""
        self._ended: list[Process] = []
        self._perhaps_ended: list[Process] = []
        self._sweep_from = 0
        self._swept_at_once = _SWEPT.start

    def find(self, subject: Subject) -> Process:
        """Find the process that did something, or begin to keep it."""
        birth = subject.birth
        if not birth:
            seen = self._lineage.process(subject.tgid)
            birth = seen.birth if seen else 0
        found = self.processes.get(ProcessId(subject.tgid, birth, subject.execs))
        if found is None:
            found = self._begin(subject, ProcessId(subject.tgid, birth, subject.execs))
        elif subject.state > found.state:
            self._stand_alone(found, subject.state)
        return found

    def note_change(self, process: Process) -> None:
        """Note that more has changed than how much it asked: it has to be judged anew."""
        process.calm = False
        self.changed.add(process)

    def keeps(self, subject: Subject) -> bool:
        """Whether it is kept already."""
        return ProcessId(subject.tgid, subject.birth, subject.execs) in self.processes

    def lives(self, process: Process) -> bool:
        """Whether it is still the process that runs under its pid."""
        entry = self._lineage.process(process.pid)
        if process.ended is not None or entry is None:
            return process.ended is None and self._registry.is_alive(process.pid)
        return (entry.birth, entry.execs) == (process.id.birth, process.id.execs)

    def _stand_alone(self, process: Process, state: int) -> None:
        """Let it go by a state of its own, since it has read the file; what it forked before keeps the former one.

        States are numbered upwards.
        """
        shared = process.workers.copy()
        process.former = (process.state, process.owner) if process.is_worker else None
        self._leave_owner(process)
        process.state = state
        for worker in shared:
            self._link(worker)

    def _begin(self, subject: Subject, process_id: ProcessId) -> Process:
        process = Process(process_id, self._registry.identify(subject), subject.state, subject.root, None)
        process.flags = subject.flags
        self.processes[process_id] = process
        self.note_change(process)
        process.view = self._registry.view(subject.tgid, subject.root, subject.parent_tgid)
        self._link_subject(process, subject)
        parent = self._kept(subject.parent_tgid, subject.parent_birth)
        if parent is not None and any(read.state == process.state for read in parent.reads):
            self._hand_down_reads(parent, process)
        return process

    def _kept(self, pid: int, birth: int) -> Process | None:
        entry = self._lineage.process(pid)
        if entry is None or entry.birth != birth:
            return None
        return self.processes.get(ProcessId(pid, birth, entry.execs))

    def _link(self, process: Process) -> None:
        entry = self._lineage.process(process.pid)
        if entry is None or (process.id.birth and entry.birth != process.id.birth):
            self._leave_owner(process)
            return
        self._link_to_owner(process, process.pid, entry)

    def _link_subject(self, process: Process, subject: Subject) -> None:
        # The process itself may be gone: its links are those it had.
        entry = KernelProcess(
            birth=subject.birth,
            state=subject.state,
            root=subject.root,
            image=subject.image,
            parent_birth=subject.parent_birth,
            owner_birth=subject.owner_birth,
            checked=subject.checked,
            refused=0,
            refused_tid=0,
            execs=subject.execs,
            parent_tgid=subject.parent_tgid,
            owner_tgid=subject.owner_tgid,
            flags=subject.flags,
        )
        self._link_to_owner(process, subject.tgid, entry)

    def _link_to_owner(self, process: Process, pid: int, entry: KernelProcess) -> None:
        owner_pid, owner_entry = self._lineage.owner(pid, entry)
        owner = process if owner_pid == pid else self.keep(owner_pid, owner_entry)
        if owner is process.owner:
            return
        self._leave_owner(process)
        if owner is not process:
            process.owner = owner
            owner.workers.add(process)
            owner.workers_seen += 1
            self.changed.add(owner)
            # What the owner read is what the worker goes by.
            self._hand_down_reads(owner, process)

    def keep(self, pid: int, entry: KernelProcess) -> Process:
        """Begin to keep a living process for what others do with its state."""
        process_id = ProcessId(pid, entry.birth, entry.execs)
        return self.processes.get(process_id) or self._begin(subject_of(pid, entry), process_id)

    def _hand_down_reads(self, owner: Process, process: Process) -> None:
        if process.reads:
            return
        self.note_change(process)
        process.note_reads(read for read in owner.reads if read.state <= process.state)
        view = owner.read_view
        if view is not None:
            # Where the owner was gone before anybody looked through the process, the table knows the view anew.
            is_its_own = process.view is not None and process.view.id == view.id
            process.view = process.read_view = process.view if is_its_own else view

    def _leave_owner(self, process: Process) -> None:
        self.note_change(process)
        process.owner.workers.discard(process)
        process.owner = process

    # Ends.

    def end(self, process: Process, time: int) -> None:
        """Note that a process ended; it is parted with when what it asked before has come in."""
        if process.ended is None:
            process.ended = time
            self.note_change(process)
            self._ended.append(process)

    def perhaps_end(self, process: Process) -> None:
        """Note that its first thread ended; whether others run is seen at the next :meth:`sweep`."""
        self._perhaps_ended.append(process)

    def take_ended(self) -> list[Process]:
        """Take those that ended until now; give them back to :meth:`part_with` after their last queries."""
        ended, self._ended = self._ended, []
        return ended

    def inherit(self, ended: list[Process]) -> list[Process]:
        """Let each living child of an owner that ended go on with what the owner had; gives those heirs."""
        leaving = {
            (process.pid, process.id.birth): process
            for process in ended
            if not process.is_worker and (process.flags & Flag.FORKED or process.workers)
        }
        if not leaving:
            return []
        states = {key: process.state for key, process in leaving.items()}
        heirs = {}
        for key, pid, entry in list(self._lineage.heirs(states)):
            heir = self.keep(pid, entry)
            if heir.id not in heirs:
                heirs[heir.id] = heir
                self._leave_owner(heir)
                self._bequeath(leaving[key], heir)
        for process in leaving.values():
            for worker in process.workers.copy():
                self._link(worker)
        return list(heirs.values())

    def _bequeath(self, owner: Process, heir: Process) -> None:
        self.note_change(heir)
        self._hand_down_reads(owner, heir)
        heir.flags |= owner.flags & ~Flag.FORKED
        heir.checked = max(heir.checked, owner.checked)
        for key, pair in owner.pairs.items():
            own = heir.pairs.get(key)
            inherited = pair.copy_for_heir()
            for use_key, use in inherited.uses.items():
                did = own.uses.get(use_key) if own else None
                # What the heir asked as a worker is in the owner's count already.
                use.worker_queries = max(0, use.worker_queries - (did.queries if did else 0))
                use.queries += did.queries if did else 0
            heir.pairs[key] = inherited

    def part_with(self, process: Process) -> None:
        """Keep it no more."""
        self._leave_owner(process)
        for worker in process.workers.copy():
            self._leave_owner(worker)
        self.processes.pop(process.id, None)

    def sweep(self, now: int, flagged: Iterable[Process]) -> None:
        """Find ends that no record told of: of every flagged process at once, of the others in turn.

        Where one is found there are more: records were lost. Then more are looked at, four times as many each time.
        """
        everybody = list(self.processes.values())
        begin = self._sweep_from if self._sweep_from < len(everybody) else 0
        self._sweep_from = begin + self._swept_at_once
        uncertain, self._perhaps_ended = self._perhaps_ended, []
        self._end_if_gone([*uncertain, *flagged], now)
        found = self._end_if_gone(everybody[begin : self._sweep_from], now)
        self._swept_at_once = min(self._swept_at_once * 4, _SWEPT.stop) if found else _SWEPT.start

    def _end_if_gone(self, processes: Iterable[Process], now: int) -> int:
        gone = [process for process in processes if process.ended is None and not self.lives(process)]
        for process in gone:
            process.flags |= Flag.FORKED  # or not: nothing told, so its heirs are looked for
            self.end(process, now)
        return len(gone)


def subject_of(pid: int, entry: KernelProcess) -> Subject:
    """Describe a living process by its entry in the lineage."""
    return Subject(
        birth=entry.birth,
        state=entry.state,
        root=entry.root,
        image=entry.image,
        parent_birth=entry.parent_birth,
        owner_birth=entry.owner_birth,
        checked=entry.checked,
        cgroup=0,
        tgid=pid,
        execs=entry.execs,
        parent_tgid=entry.parent_tgid,
        owner_tgid=entry.owner_tgid,
        uid=0,
        flags=entry.flags,
        comm=b"",
    )
