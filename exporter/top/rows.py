"""The rows of ``top``: one process and one nameserver each, or grouped by unit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from exporter.feed.top_table import Entry, Table
from tracer.verdict.states import SEVERITY

__all__ = ["RANKS", "WORST_FIRST", "Rates", "Row", "by_unit"]

RANKS = {state.value: rank for rank, state in enumerate(SEVERITY)}
"""Worst first."""
WORST_FIRST = ("no", "unknown", "yes")
"""What is said of following, and of answers."""
_SECOND = 1_000_000_000


class Row(NamedTuple):
    """One row: an :class:`exporter.feed.top_table.Entry` with a rate instead of its count.

    ``rate``: queries per second, None after only one sample. ``pid``: None for a group.
    """

    pid: int | None
    comm: str
    unit: str
    path: str
    nameserver: str | None
    state: str
    rate: float | None
    since_removed: int
    last_query: int | None
    stale_since: int | None
    follows: str
    answers: str
    command: str = ""
    members: int = 1
    """How many rows it groups."""

    @property
    def key(self) -> tuple[int | None, str, str | None]:
        """What identifies it from one sample to the next."""
        return self.pid, self.unit if self.pid is None else "", self.nameserver


class Rates:
    """Makes rows from samples, with rates since the previous one."""

    def __init__(self) -> None:
        self._time = 0
        self._counted: dict[tuple[int, str | None], int] = {}

    def rows(self, table: Table) -> list[Row]:
        """Return the rows of the next sample, which must be later."""
        seconds = (table["time"] - self._time) / _SECOND if self._time else 0.0
        counted, rows = {}, []
        for entry in table["rows"]:
            key = (entry.pid, entry.nameserver)
            counted[key] = entry.queries
            rate = _rate(entry, self._counted.get(key, 0), seconds)
            rows.append(Row(*entry[:6], rate, *entry[7:]))
        self._time, self._counted = table["time"], counted
        return rows


def _rate(entry: Entry, before: int, seconds: float) -> float | None:
    if seconds <= 0 or entry.nameserver is None:
        return None
    sent = entry.queries - before
    return (sent if sent >= 0 else entry.queries) / seconds  # fewer than before: the pid was reused


def by_unit(rows: Iterable[Row]) -> list[Row]:
    """Return one row for each unit and nameserver; processes without a unit are grouped by command."""
    groups: dict[tuple[str, str, str | None], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.unit, "" if row.unit else row.comm, row.nameserver), []).append(row)
    return [_together(group) for group in groups.values()]


def _together(group: list[Row]) -> Row:
    first = group[0]
    comms = {row.comm for row in group}
    paths = {row.path for row in group}
    rates = [row.rate for row in group if row.rate is not None]
    return Row(
        None,
        first.comm if len(comms) == 1 else f"{len(comms)} programs",
        first.unit,
        first.path if len(paths) == 1 else "several",
        first.nameserver,
        min((row.state for row in group), key=RANKS.__getitem__),
        sum(rates) if rates else None,
        sum(row.since_removed for row in group),
        max((row.last_query for row in group if row.last_query is not None), default=None),
        min((row.stale_since for row in group if row.stale_since is not None), default=None),
        min((row.follows for row in group), key=WORST_FIRST.index),
        min((row.answers for row in group), key=WORST_FIRST.index),
        first.command if len({row.command for row in group}) == 1 else "",
        len(group),
    )
