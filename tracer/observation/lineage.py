"""Who shares whose resolver state, as the kernel side keeps it for every process: by number, and with the line.

A process shares its parent's resolver state as long as neither read resolv.conf nor called exec since the fork. Its
line is its ancestors with that state, topmost first. Here the processes are entered that ran before the probes did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from tracer.kernel.records import LINE, LINE_KEPT, KernelProcess, ProcessFlag, ancestor, ancestor_pid, is_ancestor
from tracer.observe.procfs import TICK_NS, Procfs, Running

_ID_SHIFT = 4


class ProcessMap(Protocol):
    """The kernel's map of processes."""

    def process(self, pid: int) -> KernelProcess | None:
        """Look one up."""

    def all_processes(self) -> Iterable[tuple[int, KernelProcess]]:
        """Give them all."""

    def enter(self, pid: int, process: KernelProcess) -> None:
        """Set one."""


@dataclass(frozen=True, slots=True)
class SavedProcess:
    """What the previous daemon of this boot knew of a process: the part of its map entry that is entered again."""

    birth: int
    execs: int
    res_state_id: int
    line: tuple[int, ...]
    flags: int
    checked: int


@dataclass(frozen=True, slots=True)
class SavedResolverState:
    """What the previous daemon knew of a resolver state.

    ``image``: the digest of the auxiliary vector of whoever has it (:meth:`tracer.observe.procfs.Procfs.image`).
    ``read``: when it was last read for it; processes forked before that have another state. 0: never. ``top``: the
    process that the lines of all others begin with.
    """

    id: int
    image: bytes | None
    read: int
    top: int = 0


@dataclass(frozen=True, slots=True)
class SavedLineage:
    """All that the previous daemon of this boot knew."""

    processes: Mapping[int, SavedProcess]
    states: Mapping[int, SavedResolverState]


NOTHING_SAVED = SavedLineage({}, {})


class Lineage:
    """The kernel side's map of processes, and their lines."""

    def __init__(self, processes: ProcessMap) -> None:
        self._map = processes

    def process(self, pid: int) -> KernelProcess | None:
        """Look a living process up."""
        return self._map.process(pid)

    def root_number(self, pid: int) -> int | None:
        """Tell what a living process's root is called."""
        process = self._map.process(pid)
        return process.root if process else None

    def all_processes(self) -> Iterable[tuple[int, KernelProcess]]:
        """Give them all: costs in proportion to the processes of the machine."""
        return self._map.all_processes()

    def enter(self, pid: int, process: KernelProcess) -> None:
        """Set one."""
        self._map.enter(pid, process)

    @staticmethod
    def fresh_state(now: int) -> int:
        """Give a number for a resolver state, greater than all before (bpf/maps.h, fresh_id)."""
        return now << _ID_SHIFT

    def relatives_of(self, left: Collection[tuple[int, int, int]]) -> list[tuple[int, KernelProcess]]:
        """Find the living processes that have a process in their line that left the state that both had.

        ``left``: pid, birth and that state of each. Ancestors come first.
        """
        by_state: dict[int, list[tuple[int, int]]] = {}
        for pid, birth, state in left:
            by_state.setdefault(state, []).append((pid, birth))
        found = [
            (pid, entry)
            for pid, entry in self._map.all_processes()
            if entry.res_state_id in by_state
            and any(is_ancestor(*one, named) for one in by_state[entry.res_state_id] for named in entry.line)
        ]
        return sorted(found, key=lambda one: len(one[1].line))

    def seed(self, procfs: Procfs, saved: SavedLineage, now: int) -> None:
        """Enter the processes that ran before the probes did.

        Parent and child share a state if neither called exec since the fork, which their auxiliary vectors tell, unless
        the parent read the file since. ``now`` in nanoseconds of CLOCK_BOOTTIME.
        """
        running = {pid: found for pid in sorted(procfs.pids()) if (found := procfs.running(pid))}
        seeding = _Seeding(running, saved, self._map.process, _Numbers(now))
        for pid in running:
            for link in reversed(_chain(pid, running)):
                if link not in seeding.entries:
                    seeding.add(link)
        in_lines = {ancestor_pid(named) for entry in seeding.entries.values() for named in entry.line}
        for pid, entry in seeding.entries.items():
            entered = entry._replace(flags=entry.flags | ProcessFlag.FORKED) if pid in in_lines else entry
            if self._map.process(pid) != entered:
                self._map.enter(pid, entered)


class _Numbers:
    """Numbers for states and roots of processes whose beginnings were not seen.

    They go on where the kernel's own are now (bpf/maps.h, fresh_id), so that none before was higher.
    """

    def __init__(self, now: int) -> None:
        self._last = now << _ID_SHIFT
        self._roots: dict[tuple[int, int, int], int] = {}

    def fresh(self) -> int:
        self._last += 1
        return self._last

    def root(self, root: tuple[int, int, int] | None) -> int:
        if root is None:
            return self.fresh()
        return self._roots.setdefault(root, self.fresh())


def _chain(pid: int, running: Mapping[int, Running]) -> list[int]:
    chain = [pid]
    while (parent := running[chain[-1]].parent) in running and parent not in chain:
        chain.append(parent)
    return chain


def extended(line: tuple[int, ...], parent: int, lives: Callable[[int], bool]) -> tuple[int, ...]:
    """Add a parent to a line, as add_to_line() of bpf/maps.h does: ``lives`` tells who has not exited."""
    if len(line) < LINE:
        return (*line, parent)
    out = next((place for place, named in enumerate(line) if not lives(named)), LINE_KEPT)
    return (*line[:out], *line[out + 1 :], parent)


class _Seeding:
    """Makes the entries of the processes that ran before, parents first."""

    def __init__(
        self,
        running: Mapping[int, Running],
        saved: SavedLineage,
        seen: Callable[[int], KernelProcess | None],
        numbers: _Numbers,
    ) -> None:
        self._running = running
        self._saved = saved
        self._seen = seen
        self._numbers = numbers
        self._parents = {process.parent for process in running.values()}
        self._members_by_state: defaultdict[int, list[int]] | None = None
        self.entries: dict[int, KernelProcess] = {}

    def add(self, pid: int) -> None:
        """Make one entry. What the kernel side has seen of the process since the probes were there holds."""
        this = self._running[pid]
        seen = self._seen(pid)
        if seen is not None and seen.birth:
            self.entries[pid] = seen
            return
        saved = self._saved_process(this)
        known = saved if saved is not None and self._runs_on(this, saved) else None
        execs = 0 if saved is None else saved.execs if known is not None else saved.execs + 1
        parent = self.entries.get(this.parent)
        has_read = seen is not None and bool(seen.flags & ProcessFlag.READ_ONCE)
        state, line = (0, ()) if has_read else self._shared(this, known, parent)
        flags = (seen.flags if seen else 0) | (known.flags if known else 0)
        self.entries[pid] = KernelProcess(
            birth=saved.birth if saved else this.start,
            res_state_id=state or (seen.res_state_id if seen else self._numbers.fresh()),
            root=(seen.root if seen else 0) or self._numbers.root(this.root),
            image=seen.image if seen else 0,
            parent_birth=parent.birth if parent else 0,
            checked=(seen.checked if seen else 0) or (known.checked if known else 0),
            refused=seen.refused if seen else 0,
            hosts_opened=seen.hosts_opened if seen else 0,
            line=line,
            refused_tid=seen.refused_tid if seen else 0,
            hosts_tid=seen.hosts_tid if seen else 0,
            execs=(seen.execs if seen else 0) + execs,
            parent_tgid=this.parent,
            flags=flags | (ProcessFlag.FORKED if pid in self._parents else 0),
        )

    def _shared(
        self, this: Running, known: SavedProcess | None, parent: KernelProcess | None
    ) -> tuple[int, tuple[int, ...]]:
        """Give the state that a process shares, and its line; 0 if it shares none that is known."""
        if known is not None:
            return known.res_state_id, known.line
        running = self._running.get(this.parent)
        start = this.start
        if parent is not None and running is not None and this.image and this.image == running.image:
            seen = self._seen(this.parent)
            has_read = seen is not None and bool(seen.flags & ProcessFlag.READ_ONCE)
            if not has_read and self._is_younger(this, parent.res_state_id):
                return parent.res_state_id, extended(parent.line, ancestor(this.parent, parent.birth), self._lives)
            start = running.start  # it has what its parent had until that read the file: from those before it
        return self._state_of_image(this, start)

    def _lives(self, named: int) -> bool:
        entry = self.entries.get(ancestor_pid(named))
        return entry is not None and is_ancestor(ancestor_pid(named), entry.birth, named)

    def _is_younger(self, this: Running, state: int) -> bool:
        """Tell whether a process was forked after the last read that made a state: a start is known to the tick."""
        known = self._saved.states.get(state)
        return known is None or this.start + TICK_NS > known.read

    def _state_of_image(self, this: Running, start: int) -> tuple[int, tuple[int, ...]]:
        """Find the state of one whose parent is gone: the latest that runs the same image and was read before it.

        One that somebody has with the same root directory, if there is one: that comes with the fork too.
        """
        if this.image is None:
            return 0, ()
        alike = [one for one in self._saved.states.values() if one.image == this.image]
        before = [one for one in alike if start + TICK_NS > one.read]
        if not before:
            return 0, ()
        here = [one for one in before if any(self._running[pid].root == this.root for pid in self._members(one.id))]
        latest = max(here or before, key=lambda one: one.id)
        tops = self._topmost(latest.id) or [latest.top]
        return latest.id, tuple(named for named in tops if named and ancestor_pid(named) != this.pid)[:1]

    def _members(self, state: int) -> list[int]:
        """Give those that had a state and run on."""
        if self._members_by_state is None:
            self._members_by_state = defaultdict(list)
            for pid, saved in self._saved.processes.items():
                running = self._running.get(pid)
                if running is not None and self._saved_process(running) is saved:
                    self._members_by_state[saved.res_state_id].append(pid)
        return self._members_by_state[state]

    def _topmost(self, state: int) -> list[int]:
        """Give those of them that have no other in their lines, eldest first, as lines name them."""
        saved = {pid: self._saved.processes[pid] for pid in self._members(state)}
        names = {ancestor(pid, one.birth): one for pid, one in saved.items()}
        tops = [name for name, one in names.items() if not names.keys() & set(one.line)]
        return sorted(tops, key=lambda name: names[name].birth)

    def _saved_process(self, process: Running) -> SavedProcess | None:
        """Give what the previous daemon knew of this process, not of another with its pid; it may have called exec."""
        saved = self._saved.processes.get(process.pid)
        return saved if saved and process.start <= saved.birth < process.start + 2 * TICK_NS else None

    def _runs_on(self, process: Running, saved: SavedProcess) -> bool:
        """Tell whether a process has not called exec since; an image that cannot be read tells nothing."""
        state = self._saved.states.get(saved.res_state_id)
        image = state.image if state is not None else self._image_of_top(saved)
        return process.image is None or image in (None, process.image)

    def _image_of_top(self, known: SavedProcess) -> bytes | None:
        """Give the image that the topmost of a line runs, and so all others that share its state."""
        top = self._running.get(ancestor_pid(known.line[0])) if known.line else None
        return top.image if top is not None else None
