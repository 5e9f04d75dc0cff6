"""The processes that are kept, and whose resolver state each uses: the owner is the topmost living one of its line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tracer.kernel.records import ancestor_pid
from tracer.ledger.process import Process, ProcessId
from tracer.ledger.resolver_state import ResolverState


class ProcessTable:
    """Every process that is kept, by id and by pid."""

    def __init__(self) -> None:
        self._by_id: dict[ProcessId, Process] = {}
        self._by_pid: dict[int, Process] = {}
        self._by_parent: dict[tuple[int, int], set[Process]] = {}
        self._by_ancestor: dict[int, set[Process]] = {}
        """By the pids that their lines name."""

    def __iter__(self) -> Iterator[Process]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, process_id: tuple[int, int, int]) -> Process | None:
        """Find one."""
        return self._by_id.get(process_id)  # type: ignore[call-overload,no-any-return]

    def at(self, pid: int, birth: int) -> Process | None:
        """Find the living process with a pid, if it is the one that was born then."""
        found = self._by_pid.get(pid)
        return found if found is not None and found.id.birth == birth else None

    def has_pid(self, pid: int) -> bool:
        """Tell whether one with this pid is kept."""
        return pid in self._by_pid

    def add(self, process: Process) -> None:
        """Keep one."""
        self._by_id[process.id] = process
        self._by_pid[process.pid] = process
        self._by_parent.setdefault(process.parent, set()).add(process)
        for named in process.line:
            self._by_ancestor.setdefault(ancestor_pid(named), set()).add(process)

    def drop(self, process: Process) -> None:
        """Keep it no more."""
        self._by_id.pop(process.id, None)
        if self._by_pid.get(process.pid) is process:
            del self._by_pid[process.pid]
        process.res_state.members.discard(process)
        self._forget_line(process)
        process.set_owner(process)
        children = self._by_parent.get(process.parent, set())
        children.discard(process)
        if not children:
            self._by_parent.pop(process.parent, None)

    def move(self, process: Process, state: ResolverState) -> None:
        """Let a process go on in another resolver state, its own."""
        process.res_state.members.discard(process)
        self._forget_line(process)
        process.res_state, process.line = state, ()
        process.set_owner(process)
        state.members.add(process)

    def _forget_line(self, process: Process) -> None:
        for pid in map(ancestor_pid, process.line):
            named_by = self._by_ancestor.get(pid, set())
            named_by.discard(process)
            if not named_by:
                self._by_ancestor.pop(pid, None)

    def sharing_below(self, process: Process) -> Iterator[Process]:
        """Give those that have its state and were forked from it, by their lines."""
        for below in self._by_ancestor.get(process.pid, ()):
            if below.res_state is process.res_state and any(process.is_named(named) for named in below.line):
                yield below

    def owner_in_line(self, line: Sequence[int], state: ResolverState) -> Process | None:
        """Find the topmost living process of a line that has this state."""
        for named in line:
            above = self._by_pid.get(ancestor_pid(named))
            if above is not None and above.ended is None and above.res_state is state and above.is_named(named):
                return above
        return None

    def related(self, process: Process) -> Iterable[Process]:
        """Give its parent, and its children that are kept."""
        parent = self.at(*process.parent)
        if parent is not None:
            yield parent
        yield from self._by_parent.get((process.pid, process.id.birth), ())
