"""What happened to one process, in order of time, from a snapshot only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tracer.report.snapshot import NameserverUse, ProcessSnapshot, Snapshot, Time, ViewSnapshot

__all__ = ["Event", "timeline"]

_SERVICES = {"nscd": "nscd", "mixed": "nscd", "resolved": "systemd-resolved", "sssd": "SSSD"}


_TICK = 10_000_000
"""Nanoseconds that the coarse clock, which times queries, may be behind the others: one kernel tick, at 100 Hz."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was seen, or follows from it."""

    at: Time
    text: str
    coarse: bool = False
    """Timed by the coarse clock: of two events within one tick the other comes first."""


def timeline(check: Snapshot, process: ProcessSnapshot) -> list[Event]:
    """Return the events of a process and of its resolv.conf, the earliest first."""
    view = next((one for one in check.views if one.id == process.view), None)
    events = [*_life(process), *_reads(process, view), *_queries(process)]
    begin = min((event.at for event in events), default=check.time)
    if view is not None:
        events += [event for event in _changes(view) if event.at >= begin]
    return sorted(events, key=_order)


def _order(event: Event) -> Time:
    return event.at + _TICK if event.coarse else event.at


def _life(process: ProcessSnapshot) -> Iterator[Event]:
    if process.started_at:
        yield Event(process.started_at, f"started: {process.exe or process.comm}")
    if process.answered_at and process.lookup_path in _SERVICES:
        yield Event(process.answered_at, f"{_SERVICES[process.lookup_path]} answered a lookup")
    if process.looked_at:
        yield Event(process.looked_at, "last checked the file (stat)")


def _reads(process: ProcessSnapshot, view: ViewSnapshot | None) -> Iterator[Event]:
    path = view.path if view else "resolv.conf"
    for read in process.reads:
        listed = _nameservers(view, read.generation)
        yield Event(read.at, f"read {path}: generation {read.generation}{listed}")


def _nameservers(view: ViewSnapshot | None, generation: int) -> str:
    if view is None:
        return ""
    if generation == view.generation:
        return f", {_list(view.nameservers)}"
    found = [one.nameservers for one in view.history if one.generation == generation]
    return f", {_list(found[0])}" if found else ""


def _list(nameservers: Sequence[str]) -> str:
    return ", ".join(nameservers) or "none"


def _changes(view: ViewSnapshot) -> Iterator[Event]:
    for generation in view.history:
        if generation.generation > 1:
            yield Event(
                generation.since,
                f"{view.path} changed: generation {generation.generation}, {_list(generation.nameservers)}",
            )


def _queries(process: ProcessSnapshot) -> Iterator[Event]:
    for use in process.nameservers:
        address = use.address
        if use.first_query:
            yield Event(use.first_query, f"first query to {address} ({_transport(use)})", coarse=True)
        if use.last_query and use.last_query != use.first_query:
            yield Event(use.last_query, f"last query to {address}: {_counts(use)}", coarse=True)
        if use.stale_since:
            yield Event(use.stale_since, f"flagged: stale on {address}")
    for address, at in {use.address: use.last_answer for use in process.nameservers}.items():
        if at:
            yield Event(at, f"last answer from {address}", coarse=True)


def _transport(use: NameserverUse) -> str:
    port = "" if use.port in {53, 853} else f", port {use.port}"
    return f"{use.transport.upper()}{port}"


def _counts(use: NameserverUse) -> str:
    about = "about " if use.estimated else ""
    total = use.queries + use.worker_queries
    by = f", {use.worker_queries} by its workers" if use.worker_queries else ""
    since = f", {use.queries_since_removed} since it was removed" if use.queries_since_removed else ""
    return f"{about}{total} {'query' if total == 1 else 'queries'} in total{by}{since}"
