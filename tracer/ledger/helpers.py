"""Who reads resolv.conf for whom: a parent or child that runs the same program, of which only one queries."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from tracer.ledger.changes import Changes
from tracer.ledger.process import Helper, Process, ProcessId
from tracer.ledger.process_table import ProcessTable

_MOST_READERS = 256


class Helpers:
    """Finds the helpers of those that query and never read the file."""

    def __init__(self, processes: ProcessTable, changes: Changes) -> None:
        self._processes = processes
        self._changes = changes
        self._readers: OrderedDict[ProcessId, Process] = OrderedDict()
        """Those that exited, had read resolv.conf and queried nobody: they may have done it for a relative."""

    def find(self) -> None:
        """Find who reads the file for those that query and never read it: a relative that runs the same program."""
        for process in self._changes.in_tick:
            if process.helper is None and process.pairs and not process.res_state.reads and process.ended is None:
                reader = next((one for one in self._relatives_of(process) if _helps(one, process)), None)
                if reader is not None:
                    process.helper = Helper(reader.pid, reader.id.birth, reader.res_state)
                    reader.res_state.is_shared = True
                    self._changes.note(process)

    def note_read(self, reader: Process) -> None:
        """Let a read count for those that it helps."""
        for process in self._processes.related(reader):
            helper = process.helper
            if helper is not None and (helper.pid, helper.birth) == reader.id[:2]:
                process.helper = helper._replace(res_state=reader.res_state)
                reader.res_state.is_shared = True
                self._changes.note(process)

    def note_query(self, asker: Process) -> None:
        """Let the reads of one that turns out to query count for nobody else."""
        for process in self._processes.related(asker):
            helper = process.helper
            if helper is not None and (helper.pid, helper.birth) == asker.id[:2]:
                process.helper = None
                self._changes.note(process)

    def _relatives_of(self, process: Process) -> Iterator[Process]:
        """Give its parent and its children, as far as they are kept or have exited as readers."""
        yield from self._processes.related(process)
        here = (process.pid, process.id.birth)
        for one in reversed(self._readers.values()):
            if one.parent == here or (one.pid, one.id.birth) == process.parent:
                yield one

    def note_left(self, process: Process) -> None:
        """Keep a process that exited, or called exec, as a reader if it may have been one for others."""
        if process.res_state.reads and not process.pairs:
            self._readers[process.id] = process
            if len(self._readers) > _MOST_READERS:
                self._readers.popitem(last=False)

    def states(self) -> set[int]:
        """Give the numbers of the states that a helper has, or had."""
        return {process.helper.res_state.id for process in self._processes if process.helper is not None}


def _helps(one: Process, asker: Process) -> bool:
    return _runs_same_program(one, asker) and bool(one.res_state.reads) and not one.has_queried


def _runs_same_program(one: Process, other: Process) -> bool:
    """Tell whether neither called exec since one was forked from the other, as far as that is known."""
    if one.image and other.image:
        return one.image == other.image
    if one.identity.image and other.identity.image:
        return one.identity.image == other.identity.image
    return one.identity.exe == other.identity.exe
