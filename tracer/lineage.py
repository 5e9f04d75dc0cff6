"""Who shares whose resolver state, as the kernel side keeps it for every process.

A process shares its parent's resolver state as long as neither read resolv.conf nor called exec since the fork; the
owner is the topmost living process of such a chain. The links are the kernel's; this module follows them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from tracer.kernel.records import Flag, KernelProcess
from tracer.procfs import Procfs, Running

_LONGEST_CHAIN = 64
_ID_SHIFT = 6


class ProcessMap(Protocol):
    """The kernel's map of processes."""

    def process(self, pid: int) -> KernelProcess | None:
        """Look one up."""

    def all_processes(self) -> Iterable[tuple[int, KernelProcess]]:
        """Give them all."""

    def enter(self, pid: int, process: KernelProcess) -> None:
        """Set one."""


@dataclass(frozen=True, slots=True)
class Former:
    """What a former daemon of this boot knew of a living process."""

    start: int
    execs: int
    image: bytes | None
    owns_state: bool
    flags: int = 0
    last_read: int = 0
    """When it last read resolv.conf; children forked before that go by another state."""


class Lineage:
    """The links between processes."""

    def __init__(self, processes: ProcessMap) -> None:
        self._map = processes

    def process(self, pid: int) -> KernelProcess | None:
        """Look a living process up."""
        return self._map.process(pid)

    def root_number(self, pid: int) -> int | None:
        """Tell what a living process's root is called."""
        process = self._map.process(pid)
        return process.root if process else None

    def owner(self, pid: int, process: KernelProcess) -> tuple[int, KernelProcess]:
        """Find the owner of the state that a process uses: itself, or a living ancestor."""
        named = self._map.process(process.owner_tgid)
        if named and process.owner_tgid != pid and _same(named, process.owner_birth) and named.state == process.state:
            return process.owner_tgid, named
        for _ in range(_LONGEST_CHAIN):
            parent = self._map.process(process.parent_tgid)
            if not parent or not _same(parent, process.parent_birth) or parent.state != process.state:
                break
            pid, process = process.parent_tgid, parent
        return pid, process

    def heirs(self, ended: Mapping[tuple[int, int], int]) -> Iterator[tuple[tuple[int, int], int, KernelProcess]]:
        """Find the living processes that go on with the state of processes that ended.

        ``ended``: state by (pid, birth). Gives (pid, birth) of the one that ended, and each heir: its children, and
        the topmost of what is left of its grandchildren.
        """
        for pid, process in self._map.all_processes():
            parent = (process.parent_tgid, process.parent_birth)
            owner = (process.owner_tgid, process.owner_birth)
            for gone in (parent, owner):
                if ended.get(gone) == process.state:
                    yield gone, *self.owner(pid, process)
                    break

    def seed(self, procfs: Procfs, former: Mapping[int, Former], now: int) -> None:
        """Enter the processes that ran before the probes did.

        Parent and child share state where neither called exec since the fork, which their auxiliary vectors tell,
        unless a former daemon saw the child read the file on its own. ``now`` in nanoseconds of CLOCK_BOOTTIME.
        """
        running = {pid: found for pid in sorted(procfs.pids()) if (found := procfs.running(pid))}
        seeding = _Seeding(running, former, self._map.process, _Numbers(now))
        for pid in running:
            for link in reversed(_chain(pid, running)):
                if link not in seeding.entries:
                    seeding.add(link)
        for pid, entry in seeding.entries.items():
            if self._map.process(pid) != entry:
                self._map.enter(pid, entry)


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


def _same(process: KernelProcess, birth: int) -> bool:
    return birth in (0, process.birth) or process.birth == 0


class _Seeding:
    """Makes the entries of the processes that ran before, parents first."""

    def __init__(
        self,
        running: Mapping[int, Running],
        former: Mapping[int, Former],
        seen: Callable[[int], KernelProcess | None],
        numbers: _Numbers,
    ) -> None:
        self._running = running
        self._former = former
        self._seen = seen
        self._numbers = numbers
        self._parents = {process.parent for process in running.values()}
        self.entries: dict[int, KernelProcess] = {}

    def add(self, pid: int) -> None:
        """Make one entry. What the kernel side has seen of the process since the probes were there holds."""
        this = self._running[pid]
        seen = self._seen(pid)
        if seen is not None and seen.birth:
            self.entries[pid] = seen
            return
        known = self._known(this)
        parent = self.entries.get(this.parent)
        has_read = seen is not None and bool(seen.flags & Flag.READ_ONCE)
        source = None if has_read or (known and known.owns_state) else self._shared_with(this, parent)
        flags = (seen.flags if seen else 0) | (known.flags if known else 0)
        self.entries[pid] = KernelProcess(
            birth=this.start,
            state=source.state if source else seen.state if seen else self._numbers.fresh(),
            root=(seen.root if seen else 0) or self._numbers.root(this.root),
            image=seen.image if seen else 0,
            parent_birth=parent.birth if parent else 0,
            owner_birth=source.owner_birth if source else this.start,
            checked=seen.checked if seen else 0,
            refused=seen.refused if seen else 0,
            refused_tid=seen.refused_tid if seen else 0,
            execs=(seen.execs if seen else 0) + (known.execs if known else 0),
            parent_tgid=this.parent,
            owner_tgid=source.owner_tgid if source else pid,
            flags=flags | (Flag.FORKED if pid in self._parents else 0),
        )

    def _shared_with(self, this: Running, parent: KernelProcess | None) -> KernelProcess | None:
        """Give the parent's entry where the two share their state."""
        running = self._running.get(this.parent)
        seen = self._seen(this.parent)
        has_read = seen is not None and bool(seen.flags & Flag.READ_ONCE)
        if parent is None or running is None or this.image is None or this.image != running.image or has_read:
            return None
        former = self._known(running)
        return None if former and former.last_read > this.start else parent

    def _known(self, process: Running) -> Former | None:
        """Give what a former daemon knew of the same process: neither another with its pid, nor after an exec."""
        former = self._former.get(process.pid)
        return former if former and (former.start, former.image) == (process.start, process.image) else None
