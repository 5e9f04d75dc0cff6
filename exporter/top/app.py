"""The terminal user interface of ``resolvtrace top``: the table, its keys, and the screens over it."""

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

from exporter.feed.client import NoDaemon, fetch_snapshot
from exporter.feed.top_table import Table
from exporter.text.explanation import explanation
from exporter.top.arrangement import Arrangement
from exporter.top.grid import STYLES, Grid
from exporter.top.header import Shown, header
from exporter.top.rows import Rates, Row
from exporter.top.screens import TextScreen, help_text
from exporter.top.source import Source

__all__ = ["Top"]

_RECONNECTED_SAMPLES = 5


class Sampled(Message):
    """A sample came from the daemon."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self.table = table


class Failed(Message):
    """No sample came."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why


class Top(App[None]):
    """The live view. ``first``: the first sample."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #header { height: auto; }
    #filter { display: none; border: none; height: 1; padding: 0; }
    #filter.open { display: block; }
    Grid { height: 1fr; scrollbar-size: 0 1; }
    Footer { background: ansi_default; }
    TextScreen { align: center middle; }
    #frame { width: 100%; max-width: 104; height: auto; max-height: 100%; border: round; padding: 0 1; }
    .ascii #frame { border: ascii; scrollbar-size: 0 0; }
    .ascii Grid { scrollbar-size: 0 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,f10", "quit", "quit", key_display="q", tooltip="quit (also F10)"),
        Binding("question_mark,h,f1", "help", "help", key_display="?", tooltip="this help (also h, F1)"),
        Binding(
            "slash,f4", "filter", "filter", key_display="/", tooltip="show only rows that contain some words (also F4)"
        ),
        Binding("s", "only_stale", "stale", tooltip="show only what is stale, or all"),
        Binding("g", "group", "group", tooltip="group rows by unit and nameserver, or not"),
        Binding("less_than_sign", "sort_next(-1)", "sort", key_display="<", tooltip="sort by the column to the left"),
        Binding(
            "greater_than_sign,f6",
            "sort_next(1)",
            "sort",
            show=False,  # all others fit 80 columns
            key_display=">",
            tooltip="sort by the column to the right (also F6)",
        ),
        Binding("r", "reverse", "reverse", tooltip="reverse the order"),
        Binding("c", "commands", "command", show=False, tooltip="show command lines in full, or names"),
        Binding("p,space", "pause", "pause", key_display="p", tooltip="pause or resume (also Space)"),
        Binding("escape", "clear_filter", "all rows", show=False, key_display="Esc", tooltip="clear the filter"),
        Binding("ctrl+z", "suspend_process", "suspend", show=False, tooltip="suspend; fg in the shell resumes"),
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
        self._since_failure = _RECONNECTED_SAMPLES
        self._grid = Grid(ascii_only=ascii_only)
        self._source = Source(
            socket,
            seconds,
            lambda table: self.post_message(Sampled(table)),
            lambda why: self.post_message(Failed(why)),
        )

    def compose(self) -> ComposeResult:
        """Lay out the parts from top to bottom."""
        yield Static(id="header")
        yield self._grid
        yield Input(id="filter", placeholder="words to filter by; Enter keeps the filter, Esc clears it", compact=True)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Show the first sample, and start polling."""
        if self._ascii:
            self.add_class("ascii")
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))
        self._grid.focus()
        self._show()
        self._source.start()

    def on_unmount(self) -> None:
        """Stop polling."""
        self._source.stop()

    def on_sampled(self, message: Sampled) -> None:
        """Show a sample, unless paused."""
        self._since_failure = 0 if self._shown.failure else self._since_failure + 1
        reconnected = self._since_failure < _RECONNECTED_SAMPLES
        self._shown = replace(self._shown, failure="", reconnected=reconnected)
        self._latest = message.table
        self._update()

    def _update(self) -> None:
        if not self._shown.paused and self._latest is not self._table:
            self._table, self._rows = self._latest, self._rates.rows(self._latest)
        self._show()

    def on_failed(self, message: Failed) -> None:
        """Report the failure, and keep the last sample, faded."""
        self._shown = replace(self._shown, failure=message.why)
        self._show()

    def _show(self) -> None:
        arranged = self._shown.arrangement
        lines = [_styled(kind, text, ascii_only=self._ascii) for kind, text in header(self._table, self._shown)]
        self.query_one("#header", Static).update(Text("\n").join(lines))
        self._grid.faded = bool(self._shown.failure)
        self._grid.show(arranged.apply(self._rows), self._table["time"], arranged)

    def _arrange(self, arrangement: Arrangement) -> None:
        self._shown = replace(self._shown, arrangement=arrangement)
        self._show()

    def action_only_stale(self) -> None:
        """Show only what is stale, or all."""
        arranged = self._shown.arrangement
        self._arrange(replace(arranged, only_stale=not arranged.only_stale))

    def action_group(self) -> None:
        """Group rows by unit, or not."""
        arranged = self._shown.arrangement
        self._arrange(replace(arranged, grouped=not arranged.grouped))

    def action_commands(self) -> None:
        """Show command lines in full, or names; they come with the next sample."""
        arranged = self._shown.arrangement
        self._source.commands = not arranged.commands
        self._arrange(replace(arranged, commands=not arranged.commands))

    def action_sort_next(self, step: int) -> None:
        """Sort by another column."""
        self._arrange(self._shown.arrangement.sorted_by_next(step))

    def action_reverse(self) -> None:
        """Reverse the order."""
        arranged = self._shown.arrangement
        self._arrange(replace(arranged, reverse=not arranged.reverse))

    def action_pause(self) -> None:
        """Pause or resume."""
        self._shown = replace(self._shown, paused=not self._shown.paused)
        self._update()

    def action_filter(self) -> None:
        """Open the filter's input line."""
        line = self.query_one("#filter", Input)
        line.add_class("open")
        self.screen.set_focus(line)  # at once: the next keys are input for it

    def action_clear_filter(self) -> None:
        """Clear the filter."""
        self.query_one("#filter", Input).value = ""
        self._close_filter()
        self._arrange(replace(self._shown.arrangement, filter=""))

    def on_input_changed(self, message: Input.Changed) -> None:
        """Filter while typing."""
        self._arrange(replace(self._shown.arrangement, filter=message.value))

    def on_input_submitted(self) -> None:
        """Return to the table."""
        self._close_filter()

    def _close_filter(self) -> None:
        self.query_one("#filter", Input).remove_class("open")
        self._grid.focus()

    def on_grid_title_clicked(self, message: Grid.TitleClicked) -> None:
        """Sort by the clicked column."""
        self._arrange(self._shown.arrangement.sorted_by(message.title))

    def on_grid_chosen(self, message: Grid.Chosen) -> None:
        """Explain a process, or show the processes of a unit."""
        row = message.row
        if row.pid is not None:
            self._explain(row.pid)
        else:
            words = f"{row.unit or row.comm} {row.nameserver or ''}".strip()
            self.query_one("#filter", Input).value = words
            self._arrange(replace(self._shown.arrangement, grouped=False, filter=words))

    @work(thread=True)
    def _explain(self, pid: int) -> None:
        try:
            check = fetch_snapshot(self._socket, pid=pid)
        except NoDaemon as error:
            text = str(error)
        else:
            width = min(shutil.get_terminal_size().columns, 104) - 5
            found = check.processes
            text = (
                explanation(check, found[0], width) if found else f"process {pid} has exited, or is no longer tracked"
            )
        if self._ascii:
            text = text.encode("ascii", "backslashreplace").decode()
        self.call_from_thread(self.push_screen, TextScreen(f"process {pid}", text))

    def action_help(self) -> None:
        """Show the help."""
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
    return Text(text, {"title": "bold", "warning": "bold yellow"}.get(kind, ""))
