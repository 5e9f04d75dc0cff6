"""By which histories a process is judged: its view's, the host's, a forwarder's own."""

from __future__ import annotations

from typing import Protocol

from tracer.process import Process
from tracer.rules import Action
from tracer.verdict import Outlook
from tracer.view import View


class Sight(Protocol):
    """What is asked of the machine about forwarders."""

    def upstreams(self, process: Process) -> View | bool:
        """Tell whether a process asks on behalf of others: False, the file it takes its upstreams from, or True."""


class Outlooks:
    """Tells where each process stands, and sees when that has changed."""

    def __init__(self, sight: Sight, host: View) -> None:
        self._sight = sight
        self._host = host

    def of(self, process: Process) -> Outlook:
        """Tell by which histories a process is judged, and what it is expected to ask besides."""
        own = process.view
        expected = frozenset(
            key.address for key, pair in process.pairs.items() if pair.ruling and pair.ruling.action is Action.EXPECT
        )
        return Outlook(
            own.history if own else None,
            self._host.history if own not in {None, self._host} and process.upstreams is None else None,
            bool(process.forwarder),
            expected,
        )

    def turns_out_forwarder(self, process: Process) -> bool:
        """Before a flag goes up, look again: it may have begun to serve since."""
        before = process.view
        return self.see_whether_forwarder(process) or process.view is not before

    def see_whether_forwarder(self, process: Process) -> bool:
        """Note whether a process asks on behalf of others, and the file it takes its upstreams from."""
        upstreams = self._sight.upstreams(process)
        process.forwarder = upstreams is True
        process.upstreams = upstreams if isinstance(upstreams, View) else None
        if process.upstreams is not None:
            process.view = process.read_view = process.upstreams
        return process.forwarder
