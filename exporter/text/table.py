"""A plain table that fits the terminal: the widest columns that may be cut are cut until it fits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from unicodedata import combining, east_asian_width

__all__ = ["Column", "fitted", "lay_out", "width_of"]

_GAP = "  "
_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Column:
    """A column. ``least``: the narrowest it may be cut to, None if it must not be cut.

    Cells are cut at their end, or in the ``middle`` (for addresses).
    """

    title: str
    least: int | None = None
    right: bool = False
    middle: bool = False


def width_of(text: str) -> int:
    """Return the columns that ``text`` takes on a terminal: a Chinese character two, a combining mark none."""
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def lay_out(columns: Sequence[Column], rows: Iterable[Sequence[str]], width: int | None) -> list[str]:
    """Return the lines, titles first, at most ``width`` wide as far as columns may be cut (None: uncut)."""
    cells = [[column.title for column in columns], *rows]
    widths = [max(width_of(row[index]) for row in cells) for index in range(len(columns))]
    if width is not None:
        _narrow(columns, widths, width - len(_GAP) * (len(columns) - 1))
    return [
        _GAP.join(
            fitted(text, width, right=column.right, middle=column.middle)
            for column, text, width in zip(columns, row, widths, strict=True)
        ).rstrip()
        for row in cells
    ]


def _narrow(columns: Sequence[Column], widths: list[int], width: int) -> None:
    """Narrow the widest column that may be cut, by one at a time, until all together take ``width``."""
    while sum(widths) > width:
        giving = [i for i, column in enumerate(columns) if column.least is not None and widths[i] > column.least]
        if not giving:
            return
        widths[max(giving, key=lambda i: widths[i])] -= 1


def fitted(text: str, width: int, *, right: bool = False, middle: bool = False, ellipsis: str = _ELLIPSIS) -> str:
    """Return ``text`` cut or padded to exactly ``width`` columns."""
    if width_of(text) > width:
        text = _cut(text, width, ellipsis, middle=middle)
    space = " " * (width - width_of(text))
    return space + text if right else text + space


def _cut(text: str, width: int, ellipsis: str, *, middle: bool) -> str:
    tail = (width - 1) // 2 if middle else 0
    end = text[len(text) - tail :]
    start = text[: len(text) - tail]
    while start and width_of(start) + width_of(ellipsis) + width_of(end) > width:
        start = start[:-1]
    return start + ellipsis + end
