"""Asks the daemon for a sample at intervals, in a thread, so that keys are answered meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable

from exporter.client import NoDaemon, fetch_table
from exporter.tableform import Table

__all__ = ["Source"]


class Source:
    """A thread that hands on each new sample, or says why none came. It ends with the process, or at :meth:`stop`."""

    def __init__(
        self, socket: str, seconds: float, sampled: Callable[[Table], object], failed: Callable[[str], object]
    ) -> None:
        self._socket = socket
        self._seconds = seconds
        self._sampled = sampled
        self._failed = failed
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Hand on nothing more."""
        self._stopped.set()

    def _run(self) -> None:
        last = 0
        while not self._stopped.wait(self._seconds):
            try:
                table = fetch_table(self._socket)
            except NoDaemon as error:
                self._hand_on(self._failed, str(error))
                last = 0
            else:
                if table["time"] != last:
                    self._hand_on(self._sampled, table)
                last = table["time"]

    def _hand_on(self, taker: Callable[..., object], what: object) -> None:
        if not self._stopped.is_set():
            taker(what)
