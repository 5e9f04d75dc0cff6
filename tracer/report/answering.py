"""Which nameservers answer, and whose lookups fail: from a snapshot."""

from __future__ import annotations

from tracer.report.snapshot import NameserverUse, ProcessSnapshot, Snapshot
from tracer.verdict.answers import Answers
from tracer.verdict.states import State

__all__ = ["is_unanswered", "nameservers_answering", "unanswered"]

_RECENT = 300_000_000_000
"""Nanoseconds: what was queried in the last five minutes tells about now."""


def is_unanswered(use: NameserverUse) -> bool:
    """Tell whether a use is flagged and gets no answers: its lookups fail now."""
    return use.state is State.STALE and use.answers is Answers.NO and not use.ignored


def unanswered(process: ProcessSnapshot) -> list[NameserverUse]:
    """Give the uses of a process that are flagged and get no answers, one for each nameserver."""
    return list({use.address: use for use in process.nameservers if is_unanswered(use)}.values())


def nameservers_answering(snapshot: Snapshot) -> dict[str, bool]:
    """Tell which nameservers of the host's resolv.conf answer, by all that queried them in the last five minutes.

    One that answers anybody answers. Those of which it is not known are left out.
    """
    listed = [address for view in snapshot.views if view.id == "host" for address in view.nameservers]
    known: dict[str, bool] = {}
    for process in snapshot.processes:
        for use in process.nameservers:
            if use.address not in listed or use.answers is Answers.UNKNOWN:
                continue
            if use.last_query is not None and snapshot.time - use.last_query <= _RECENT:
                known[use.address] = known.get(use.address, False) or use.answers is Answers.YES
    return {address: known[address] for address in dict.fromkeys(listed) if address in known}
