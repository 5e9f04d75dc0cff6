"""Looks at what the daemon says until it is what it must be, and lets no false flag pass on the way."""

from __future__ import annotations

import time
from collections.abc import Callable

from exporter.demonstration.private_daemon import PrivateDaemon
from exporter.demonstration.sample import Sample
from exporter.demonstration.trouble import Trouble
from tracer.snapshot import State

_EVERY_SECONDS = 0.1


class Observer:
    """Takes samples. ``innocent`` holds those, name by pid, who must not be flagged in any of them."""

    def __init__(self, daemon: PrivateDaemon) -> None:
        self._daemon = daemon
        self.innocent: dict[int, str] = {}
        self.samples = 0

    def look(self) -> Sample:
        """Take one sample. Raises Trouble where the daemon does not answer, or has flagged an innocent process."""
        sample = Sample(self._daemon.check(), self._daemon.gauges())
        self.samples += 1
        for pid, name in self.innocent.items():
            row = sample.row(pid)
            if row and row["state"] == State.STALE:
                raise self.trouble(f"{name} (pid {pid}) must not be flagged, and is: {row['reason']}")
        return sample

    def wait(self, test: Callable[[Sample], bool], seconds: float, expectation: str) -> Sample:
        """Return the first sample that passes, and in which the two surfaces agree.

        Raises Trouble after ``seconds``, and what :meth:`look` raises.
        """
        deadline = time.monotonic() + seconds
        while not (test(sample := self.look()) and sample.surfaces_agree):
            if time.monotonic() >= deadline:
                differ = "" if sample.surfaces_agree else "; check and /metrics differ on who is flagged"
                raise self.trouble(f"{expectation}: not within {seconds:g} s{differ}")
            time.sleep(_EVERY_SECONDS)
        return sample

    def trouble(self, message: str) -> Trouble:
        """Return what to raise where an expectation failed."""
        return Trouble(message, self._daemon.log())
