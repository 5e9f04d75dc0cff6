"""The command lines of processes, each read once, when it is first needed.

They are for the socket alone: they may hold what is nobody else's business, and no metric, page or log has them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

from tracer.ledger.process import Process
from tracer.observe.roots import RootReader

Command = tuple[str, ...]
_AT_ONCE = 512


class Commands:
    """What is known of them so far."""

    def __init__(self, root_reader: RootReader, proc: str, lives: Callable[[Process], bool]) -> None:
        """``lives``: whether a pid is still this process's, and it has called no exec."""
        self._root_reader = root_reader
        self._proc = proc
        self._lives = lives
        self._known: dict[Process, Command | None] = {}

    def of(self, process: Process) -> Command | None:
        """Give the command line of a process, as far as it has been read."""
        return self._known.get(process)

    def read(self, processes: Iterable[Process]) -> list[Process]:
        """Read those that have not been read; gives them. What gets no answer now is tried again next time."""
        unread = [process for process in processes if process not in self._known]
        read: list[Process] = []
        with suppress(TimeoutError):
            for begin in range(0, len(unread), _AT_ONCE):
                some = unread[begin : begin + _AT_ONCE]
                found = self._root_reader("commands", self._proc, 0, *(process.pid for process in some))
                for process, words in zip(some, found, strict=True):
                    self._known[process] = tuple(words) if words is not None and self._lives(process) else None
                read += some
        return read

    def keep(self, processes: Collection[Process]) -> None:
        """Forget all others."""
        self._known = {process: command for process, command in self._known.items() if process in processes}
