"""The terminal of ``resolvtrace top``: the table, the keys, and what opens over it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Footer, Input, Static

from exporter.client import NoDaemon, fetch_snapshot
from exporter.explanation import explanation
from exporter.tableform import Table
from exporter.top.arrangement import Arrangement
from exporter.top.grid import STYLES, Grid
from exporter.top.header import Shown, header
from exporter.top.rows import Rates, Row
from exporter.top.screens import TextScreen, help_text
from exporter.top.source import Source

__all__ = ["Top"]

_RECONNECTED_SAMPLES = 5


class Sampled(Message):
    """The daemon gave a sample."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self.table = table


class Failed(Message):
    """It did not."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why


class Top(App[None]):
    """The live view. ``first`` is a sample that was taken already."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #header { height: auto; }
    #needle { display: none; border: none; height: 1; padding: 0; }
    #needle.open { display: block; }
    Grid { height: 1fr; scrollbar-size: 0 1; }
    Footer { background: ansi_default; }
    TextScreen { align: center middle; }
    #frame { width: 100%; max-width: 104; height: auto; max-height: 100%; border: round; padding: 0 1; }
    .ascii #frame { border: ascii; scrollbar-size: 0 0; }
    .ascii Grid { scrollbar-size: 0 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,f10", "quit", "quit", key_display="q", tooltip="quit (F10 too)"),
        Binding("question_mark,h,f1", "help", "help", key_display="?", tooltip="this help (F1 too)"),
        Binding("slash,f4", "needle", "filter", key_display="/", tooltip="show the rows with these words (F4 too)"),
        Binding("s", "only_stale", "stale", tooltip="show what is stale alone, or all again"),
        Binding("g", "group", "group", tooltip="one row for each unit and nameserver, or one by one again"),
        Binding("less_than_sign", "sort_next(-1)", "sort", key_display="<", tooltip="sort by the column to the left"),
        Binding(
            "greater_than_sign,f6",
            "sort_next(1)",
            "sort",
            key_display=">",
            tooltip="sort by the column to the right (F6 too)",
        ),
        Binding("r", "reverse", "reverse", tooltip="sort the other way round"),
        Binding("p,space", "pause", "pause", key_display="p", tooltip="hold the table still, or go on (Space too)"),
        Binding("escape", "all_again", "all rows", show=False, key_display="Esc", tooltip="take the filter away"),
        Binding("ctrl+z", "suspend_process", "suspend", show=False, tooltip="to the shell; fg comes back"),
    ]

    def __init__(
        self, socket: str, seconds: float, first: Table, arrangement: Arrangement, *, ascii_only: bool = False
    ) -> None:
        super().__init__(ansi_color=True)
        self._socket = socket
        self._ascii = ascii_only
        self._table = self._latest = first
        self._rates = Rates()
        self._rows: Sequence[Row] = self._rates.rows(first)
        self._shown = Shown(arrangement)
        self._since_trouble = _RECONNECTED_SAMPLES
        self._grid = Grid(ascii_only=ascii_only)
        self._source = Source(
            socket,
            seconds,
            lambda table: self.post_message(Sampled(table)),
            lambda why: self.post_message(Failed(why)),
        )

    def compose(self) -> ComposeResult:
        """Put the parts one below the other."""
        yield Static(id="header")
        yield self._grid
        yield Input(id="needle", placeholder="words to look for; Enter keeps them, Esc takes them away", compact=True)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Show the first sample, and ask for more."""
        if self._ascii:
            self.add_class("ascii")
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))
        self._grid.focus()
        self._show()
        self._source.start()

    def on_unmount(self) -> None:
        """Ask for no more."""
        self._source.stop()

    def on_sampled(self, message: Sampled) -> None:
        """Take a sample over, unless the reader has the table held still."""
        self._since_trouble = 0 if self._shown.trouble else self._since_trouble + 1
        reconnected = self._since_trouble < _RECONNECTED_SAMPLES
        self._shown = replace(self._shown, trouble="", reconnected=reconnected)
        self._latest = message.table
        self._take_over()

    def _take_over(self) -> None:
        if not self._shown.paused and self._latest is not self._table:
            self._table, self._rows = self._latest, self._rates.rows(self._latest)
        self._show()

    def on_failed(self, message: Failed) -> None:
        """Say so, and keep what was known, faded."""
        self._shown = replace(self._shown, trouble=message.why)
        self._show()

    def _show(self) -> None:
        arranged = self._shown.arrangement
        lines = [_styled(kind, text, ascii_only=self._ascii) for kind, text in header(self._table, self._shown)]
        self.query_one("#header", Static).update(Text("\n").join(lines))
        self._grid.faded = bool(self._shown.trouble)
        self._grid.show(arranged.apply(self._rows), self._table["time"], arranged)

    def _arrange(self, arrangement: Arrangement) -> None:
        self._shown = replace(self._shown, arrangement=arrangement)
        self._show()

    def action_only_stale(self) -> None:
        """Show what is stale alone, or all."""
        arranged = self._shown.arrangement
        self._arrange(replace(arranged, only_stale=not arranged.only_stale))

    def action_group(self) -> None:
        """Put the rows of a unit together, or take them apart."""
        arranged = self._shown.arrangement
        self._arrange(replace(arranged, grouped=not arranged.grouped))

    def action_sort_next(self, step: int) -> None:
        """Sort by another column."""
        self._arrange(self._shown.arrangement.sorted_by_next(step))

    def action_reverse(self) -> None:
        """Sort the other way round."""
        arranged = self._shown.arrangement
        self._arrange(replace(arranged, reverse=not arranged.reverse))

    def action_pause(self) -> None:
        """Hold the table still, or let it go on."""
        self._shown = replace(self._shown, paused=not self._shown.paused)
        self._take_over()

    def action_needle(self) -> None:
        """Open the line for words to look for."""
        needle = self.query_one("#needle", Input)
        needle.add_class("open")
        self.screen.set_focus(needle)  # at once: what is typed next is meant for it

    def action_all_again(self) -> None:
        """Take the words away."""
        self.query_one("#needle", Input).value = ""
        self._close_needle()
        self._arrange(replace(self._shown.arrangement, needle=""))

    def on_input_changed(self, message: Input.Changed) -> None:
        """Look for them as they are typed."""
        self._arrange(replace(self._shown.arrangement, needle=message.value))

    def on_input_submitted(self) -> None:
        """Go back to the table."""
        self._close_needle()

    def _close_needle(self) -> None:
        self.query_one("#needle", Input).remove_class("open")
        self._grid.focus()

    def on_grid_title_clicked(self, message: Grid.TitleClicked) -> None:
        """Sort by what was clicked."""
        self._arrange(self._shown.arrangement.sorted_by(message.title))

    def on_grid_chosen(self, message: Grid.Chosen) -> None:
        """Show the evidence on a process, or the processes of a unit."""
        row = message.row
        if row.pid is not None:
            self._explain(row.pid)
        else:
            words = f"{row.unit or row.comm} {row.nameserver or ''}".strip()
            self.query_one("#needle", Input).value = words
            self._arrange(replace(self._shown.arrangement, grouped=False, needle=words))

    @work(thread=True)
    def _explain(self, pid: int) -> None:
        try:
            check = fetch_snapshot(self._socket, pid=pid)
        except NoDaemon as error:
            text = str(error)
        else:
            width = min(shutil.get_terminal_size().columns, 104) - 5
            found = check["processes"]
            text = explanation(check, found[0], width) if found else f"process {pid} has ended, or is tracked no more"
        if self._ascii:
            text = text.encode("ascii", "backslashreplace").decode()
        self.call_from_thread(self.push_screen, TextScreen(f"process {pid}", text))

    def action_help(self) -> None:
        """Show what the keys do."""
        bindings = [*Grid.BINDINGS, *self.BINDINGS]
        self.push_screen(TextScreen("help", help_text(one for one in bindings if isinstance(one, Binding))))


def _styled(kind: str, text: str, *, ascii_only: bool) -> Text:
    if ascii_only:
        text = text.encode("ascii", "backslashreplace").decode()
    if kind == "states":
        words = Text()
        for count, state in zip(text.split()[::2], text.split()[1::2], strict=False):
            words.append(f"{count} {state}  ", STYLES.get(state, ""))
        return words
    return Text(text, {"title": "bold", "trouble": "bold yellow"}.get(kind, ""))
