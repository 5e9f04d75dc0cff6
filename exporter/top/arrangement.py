"""How the reader wants the rows: their order, which of them, one by one or by unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from exporter.top.columns import COLUMNS, Column
from exporter.top.rows import RANKS, Row, by_unit
from tracer.snapshot import State

__all__ = ["Arrangement"]

_BY_TITLE = {column.title: column for column in COLUMNS}


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What the keys set. ``needle`` is one or more words, each of which must be in a row somewhere."""

    sort: str = "STATE"
    reverse: bool = False
    """Against the direction that the column has by itself."""
    needle: str = ""
    only_stale: bool = False
    grouped: bool = False

    @property
    def column(self) -> Column:
        """The column that the rows are sorted by."""
        return _BY_TITLE[self.sort]

    @property
    def falling(self) -> bool:
        """Whether the greatest comes first."""
        return self.column.falling != self.reverse

    def sorted_by(self, title: str) -> Arrangement:
        """Sort by a column; asked for the same one again, the other way round."""
        return replace(self, sort=title, reverse=not self.reverse if title == self.sort else False)

    def sorted_by_next(self, step: int) -> Arrangement:
        """Sort by the column beside."""
        titles = list(_BY_TITLE)
        return replace(self, sort=titles[(titles.index(self.sort) + step) % len(titles)], reverse=False)

    def apply(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows to show, in order. Those that are alike are in the usual order: worst first."""
        chosen = [row for row in rows if not self.only_stale or row.state == State.STALE]
        words = self.needle.lower().split()
        if words:
            chosen = [row for row in chosen if _matches(row, words)]
        if self.grouped:
            chosen = by_unit(chosen)
        chosen.sort(key=_usual)
        if self.sort == COLUMNS[0].title and not self.reverse:
            return chosen
        key = self.column.key
        known = [row for row in chosen if key(row) is not None]
        known.sort(key=key, reverse=self.falling)
        return known + [row for row in chosen if key(row) is None]


def _usual(row: Row) -> tuple[int, int, int]:
    return RANKS[row.state], row.stale_since or 0, row.pid or 0


def _matches(row: Row, words: list[str]) -> bool:
    text = f"{row.state} {row.pid} {row.comm} {row.unit} {row.path} {row.nameserver}".lower()
    return all(word in text for word in words)
