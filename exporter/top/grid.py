"""The table of ``top`` on the terminal. It renders only the visible rows."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from exporter.text.table import fitted
from exporter.top.arrangement import Arrangement
from exporter.top.columns import GAP, Placed, fit
from exporter.top.rows import Row

__all__ = ["STYLES", "Grid"]

STYLES = {
    "stale": Style(color="red", bold=True),
    "outdated": Style(color="magenta", bold=True),
    "grace": Style(color="yellow"),
    "suspect": Style(color="cyan"),
    "quiet": Style(color="yellow", dim=True),
    "unlisted": Style(color="blue"),
    "current": Style(color="green"),
    "retired": Style(dim=True),
}
_PLAIN = Style()
_TITLES = Style(bold=True, reverse=True)
_CURSOR = Style(reverse=True)
_FADED = Style(dim=True)


class Grid(ScrollView, can_focus=True):
    """Titles and rows; the cursor stays on its row when others come or go."""

    BINDINGS = [  # noqa: RUF012 - textual's own form
        Binding("up,k", "move(-1)", "row up", show=False),
        Binding("down,j", "move(1)", "row down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("home", "move_to(0)", "first row", show=False),
        Binding("end", "move_to(-1)", "last row", show=False),
        Binding("enter", "choose", "explain", key_display="Enter"),
    ]

    class Chosen(Message):
        """A row was selected."""

        def __init__(self, row: Row) -> None:
            super().__init__()
            self.row = row

    class TitleClicked(Message):
        """A column's title was clicked."""

        def __init__(self, title: str) -> None:
            super().__init__()
            self.title = title

    def __init__(self, *, ascii_only: bool = False) -> None:
        super().__init__()
        self._ascii = ascii_only
        self._rows: Sequence[Row] = ()
        self._now = 0
        self._arrangement = Arrangement()
        self._cursor = 0
        self._placed: list[Placed] = []
        self.faded = False

    def show(self, rows: Sequence[Row], now: int, arrangement: Arrangement) -> None:
        """Show these rows, of a sample taken at ``now``."""
        kept = self.current.key if self.current else None
        self._rows, self._now, self._arrangement = rows, now, arrangement
        self._cursor = max(min(self._cursor, len(rows) - 1), 0)
        if kept is not None and self.current is not None and self.current.key != kept:
            self._cursor = next((i for i, row in enumerate(rows) if row.key == kept), self._cursor)
        self._lay_out()
        self._follow_cursor()
        self.refresh()

    @property
    def current(self) -> Row | None:
        """The row under the cursor."""
        return self._rows[self._cursor] if self._cursor < len(self._rows) else None

    def on_resize(self, _event: events.Resize) -> None:
        """Lay out the columns again."""
        self._lay_out()
        self._follow_cursor()

    def _lay_out(self) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._rows) + 1)
        self._placed = fit(self.scrollable_content_region.width, commands=self._arrangement.commands)

    def _follow_cursor(self) -> None:
        """Scroll as little as needed to show the cursor."""
        top, height = round(self.scroll_y), self.scrollable_content_region.height - 1
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, immediate=True)
        elif self._cursor >= top + height:
            self.scroll_to(y=self._cursor - height + 1, animate=False, immediate=True)

    def action_move(self, step: int) -> None:
        """Move the cursor."""
        self.action_move_to(min(max(self._cursor + step, 0), max(len(self._rows) - 1, 0)))

    def action_page(self, step: int) -> None:
        """Move it by one screen."""
        self.action_move(step * max(self.scrollable_content_region.height - 1, 1))

    def action_move_to(self, index: int) -> None:
        """Move it to a row; -1 is the last one."""
        self._cursor = max(len(self._rows) - 1, 0) if index < 0 else index
        self._follow_cursor()
        self.refresh()

    def action_choose(self) -> None:
        """Select the row under the cursor."""
        if self.current is not None:
            self.post_message(self.Chosen(self.current))

    def on_click(self, event: events.Click) -> None:
        """Sort by a clicked title; move the cursor to a clicked row, or select it if it is there already."""
        if event.y == 0:
            for placed in self._placed:
                if placed.start <= event.x < placed.start + placed.width + GAP:
                    self.post_message(self.TitleClicked(placed.column.title))
            return
        index = event.y - 1 + round(self.scroll_y)
        if index == self._cursor:
            self.action_choose()
        elif index < len(self._rows):
            self.action_move_to(index)

    def render_line(self, y: int) -> Strip:
        """Render one line of the screen."""
        width = self.scrollable_content_region.width
        index = y - 1 + round(self.scroll_y)
        if y == 0:
            line = Strip([Segment(fitted(self._titles(), width), _TITLES)])
        elif index < len(self._rows):
            line = Strip(self._cells(self._rows[index]))
        else:
            line = Strip([])
        style = _CURSOR if y and index == self._cursor and self._rows else _PLAIN
        if self.faded:
            style += _FADED
        return line.adjust_cell_length(width).apply_style(style)

    def _titles(self) -> str:
        arrow = ("^v" if self._ascii else "▲▼")[self._arrangement.descending]
        words = []
        for placed in self._placed:
            title = placed.column.title
            mark = arrow if title == self._arrangement.sort else ""
            words.append(fitted((mark + title)[: placed.width], placed.width, right=placed.column.right))
        return (" " * GAP).join(words)

    def _cells(self, row: Row) -> list[Segment]:
        segments = []
        for placed in self._placed:
            text = placed.column.text(row, self._now)
            if self._ascii:
                text = text.encode("ascii", "backslashreplace").decode()
            cell = fitted(
                text,
                placed.width,
                right=placed.column.right,
                middle=placed.column.title == "NAMESERVER",
                ellipsis="~" if self._ascii else "…",
            )
            segments += [Segment(cell, STYLES[row.state] if not placed.start else _PLAIN), Segment(" " * GAP)]
        return segments
