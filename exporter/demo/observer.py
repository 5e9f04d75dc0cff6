"""Polls the daemon until it reports what it must, and fails on any false flag meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

from exporter.demo.errors import DemoError
from exporter.demo.private_daemon import PrivateDaemon
from exporter.demo.sample import Sample
from tracer.verdict.states import State

_EVERY_SECONDS = 0.1


class Observer:
    """Takes samples. ``never_flagged``: names, by pid, of processes that must not be flagged in any of them."""

    def __init__(self, daemon: PrivateDaemon) -> None:
        self._daemon = daemon
        self.never_flagged: dict[int, str] = {}
        self.samples = 0

    def look(self) -> Sample:
        """Take one sample. Raises DemoError if the daemon does not answer, or flags one of them."""
        sample = Sample(self._daemon.check(), self._daemon.gauges())
        self.samples += 1
        for pid, name in self.never_flagged.items():
            row = sample.row(pid)
            if row and row.state == State.STALE:
                raise self.error(f"{name} (pid {pid}) is flagged, and must not be: {row.reason}")
        return sample

    def wait(self, test: Callable[[Sample], bool], seconds: float, expectation: str) -> Sample:
        """Return the first sample that passes, and in which check and /metrics agree.

        Raises DemoError after ``seconds``, and what :meth:`look` raises.
        """
        deadline = time.monotonic() + seconds
        while not (test(sample := self.look()) and sample.surfaces_agree):
            if time.monotonic() >= deadline:
                differ = "" if sample.surfaces_agree else "; check and /metrics disagree on what is flagged"
                raise self.error(f"{expectation}: not within {seconds:g} s{differ}")
            time.sleep(_EVERY_SECONDS)
        return sample

    def error(self, message: str) -> DemoError:
        """Return the error for an expectation that failed."""
        return DemoError(message, self._daemon.log())
