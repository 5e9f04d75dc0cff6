"""Who shares whose resolver state, as the kernel side keeps it for every process.

A process shares its parent's resolver state as long as neither read resolv.conf nor called exec since the fork; the
owner is the topmost living process of such a chain. The links are the kernel's; this module follows them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from tracer.kernel.records import KernelProcess
from tracer.procfs import Procfs, Running

_LONGEST_CHAIN = 64


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
        """Find the living children that go on with the state of processes that ended.

        ``ended``: state by (pid, birth). Gives (pid, birth) of the one that ended, and each heir.
        """
        for pid, process in self._map.all_processes():
            parent = (process.parent_tgid, process.parent_birth)
            if ended.get(parent) == process.state:
                yield parent, pid, process

    def seed(self, procfs: Procfs, former: Mapping[int, Former]) -> None:
        """Enter the processes that ran before the probes did.

        Parent and child share state where neither called exec since the fork, which their auxiliary vectors tell,
        unless a former daemon saw the child read the file on its own.
        """
        running = {pid: found for pid in sorted(procfs.pids()) if (found := procfs.running(pid))}
        numbers = _Numbers()
        entries: dict[int, KernelProcess] = {}
        for pid in running:
            for link in reversed(_chain(pid, running)):
                if link not in entries:
                    entries[link] = _entry(running[link], running, entries, former.get(link), numbers)
        for pid, entry in entries.items():
            self._enter(pid, entry)

    def _enter(self, pid: int, entry: KernelProcess) -> None:
        seen = self._map.process(pid)
        if seen is None:
            self._map.enter(pid, entry)
        elif seen.birth == 0:
            # It did something before we came to it; what that made of its state holds.
            self._map.enter(
                pid, seen._replace(birth=entry.birth, root=seen.root or entry.root, owner_birth=entry.birth)
            )


class _Numbers:
    """Names for states and roots of processes whose beginnings were not seen: small, where the kernel's are large."""

    def __init__(self) -> None:
        self._last = 0
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


def _entry(
    this: Running,
    running: Mapping[int, Running],
    entries: Mapping[int, KernelProcess],
    former: Former | None,
    numbers: _Numbers,
) -> KernelProcess:
    known = former if former and (former.start, former.image) == (this.start, this.image) else None
    parent = running.get(this.parent)
    parents_entry = entries.get(this.parent)
    shares = (
        parent is not None
        and parents_entry is not None
        and this.image is not None
        and this.image == parent.image
        and not (known and known.owns_state)
    )
    return KernelProcess(
        birth=this.start,
        state=parents_entry.state if shares and parents_entry else numbers.fresh(),
        root=numbers.root(this.root),
        image=0,
        parent_birth=parents_entry.birth if parents_entry else 0,
        owner_birth=parents_entry.owner_birth if shares and parents_entry else this.start,
        checked=0,
        refused=0,
        refused_tid=0,
        execs=known.execs if known else 0,
        parent_tgid=this.parent,
        owner_tgid=parents_entry.owner_tgid if shares and parents_entry else this.pid,
        flags=0,
    )
