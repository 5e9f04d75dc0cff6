"""How rows are shown: their order, the filter, and grouping by unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from exporter.top.columns import COLUMNS, Column
from exporter.top.rows import RANKS, Row, by_unit
from tracer.verdict.states import State

__all__ = ["Arrangement"]

_BY_TITLE = {column.title: column for column in COLUMNS}


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What the keys set. ``filter``: words, each of which a row must contain."""

    sort: str = "STATE"
    reverse: bool = False
    """Against the column's default direction."""
    filter: str = ""
    only_stale: bool = False
    grouped: bool = False
    commands: bool = False
    """Show command lines in full, not names alone."""

    @property
    def column(self) -> Column:
        """The column that rows are sorted by."""
        return _BY_TITLE[self.sort]

    @property
    def descending(self) -> bool:
        """Whether the greatest value comes first."""
        return self.column.descending != self.reverse

    def sorted_by(self, title: str) -> Arrangement:
        """Sort by a column; in reverse order if it is the current one."""
        return replace(self, sort=title, reverse=not self.reverse if title == self.sort else False)

    def sorted_by_next(self, step: int) -> Arrangement:
        """Sort by a neighbouring column."""
        titles = list(_BY_TITLE)
        return replace(self, sort=titles[(titles.index(self.sort) + step) % len(titles)], reverse=False)

    def apply(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows to show, in order. Equal ones are in the default order: worst first."""
        chosen = [row for row in rows if not self.only_stale or row.state == State.STALE]
        words = self.filter.lower().split()
        if words:
            chosen = [row for row in chosen if _matches(row, words)]
        if self.grouped:
            chosen = by_unit(chosen)
        chosen.sort(key=_default_order)
        if self.sort == COLUMNS[0].title and not self.reverse:
            return chosen
        key = self.column.key
        known = [row for row in chosen if key(row) is not None]
        known.sort(key=key, reverse=self.descending)
        return known + [row for row in chosen if key(row) is None]


def _default_order(row: Row) -> tuple[int, int, int]:
    return RANKS[row.state], row.stale_since or 0, row.pid or 0


def _matches(row: Row, words: list[str]) -> bool:
    text = f"{row.state} {row.pid} {row.comm} {row.unit} {row.path} {row.nameserver} {row.command}".lower()
    return all(word in text for word in words)
