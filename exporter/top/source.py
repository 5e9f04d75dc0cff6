"""Polls the daemon in a thread, so that the interface stays responsive."""

from __future__ import annotations

import threading
from collections.abc import Callable

from exporter.feed.client import NoDaemon, fetch_table
from exporter.feed.top_table import Table

__all__ = ["Source"]


class Source:
    """A thread that passes on each new sample, or the reason for none, until :meth:`stop`."""

    def __init__(
        self, socket: str, seconds: float, sampled: Callable[[Table], object], failed: Callable[[str], object]
    ) -> None:
        self._socket = socket
        self._seconds = seconds
        self._sampled = sampled
        self._failed = failed
        self.commands = False
        """Whether to ask for command lines, too."""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)

    def start(self) -> None:
        """Start polling."""
        self._thread.start()

    def stop(self) -> None:
        """Stop polling, and pass on nothing more."""
        self._stopped.set()

    def _run(self) -> None:
        last: tuple[int, bool] | None = None
        while not self._stopped.wait(self._seconds):
            try:
                commands = self.commands
                table = fetch_table(self._socket, commands=commands)
            except NoDaemon as error:
                self._pass_on(self._failed, str(error))
                last = None
            else:
                if (table["time"], commands) != last:
                    self._pass_on(self._sampled, table)
                last = table["time"], commands

    def _pass_on(self, receiver: Callable[..., object], what: object) -> None:
        if not self._stopped.is_set():
            receiver(what)
