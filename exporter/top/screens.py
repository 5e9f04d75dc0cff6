"""The screens over the table: the explanation of a process, and the help, generated from the key bindings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from exporter.top.columns import COLUMNS

__all__ = ["TextScreen", "help_text"]


class TextScreen(ModalScreen[None]):
    """A scrollable text, closed by a key."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark", "dismiss", "close", key_display="Esc"),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        """Lay out the text in a frame."""
        with VerticalScroll(id="frame") as frame:
            frame.border_title = Text(self._title)
            frame.border_subtitle = "Esc closes"
            yield Static(Text(self._text))


def help_text(bindings: Iterable[Binding]) -> str:
    """Return the meaning of each key and each column."""
    keys = [
        (binding.key_display or _readable(binding.key), binding.tooltip or binding.description) for binding in bindings
    ]
    width = max(len(key) for key, _ in keys)
    titles = max(len(column.title) for column in COLUMNS)
    lines = ["Keys", *(f"  {key:<{width}}  {does}" for key, does in keys), "", "Columns"]
    lines += [f"  {column.title:<{titles}}  {column.help}" for column in COLUMNS]
    lines += ["", "Mouse: click a title to sort, a row to move there, again to explain it."]
    return "\n".join(lines)


def _readable(key: str) -> str:
    names = {"less_than_sign": "<", "greater_than_sign": ">", "question_mark": "?", "slash": "/", "space": "Space"}
    names |= {"pageup": "PgUp", "pagedown": "PgDn", "home": "Home", "end": "End", "up": "Up", "down": "Down"}
    parts = (names.get(part, part.replace("ctrl+", "Ctrl-")) for part in key.split(","))
    return ", ".join(parts)
