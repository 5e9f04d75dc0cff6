"""The demo's output: paragraphs with the seconds since it started, as things happen, for 80 columns."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable
from enum import Enum
from textwrap import TextWrapper
from typing import TextIO

_MARGIN = " " * 9
_WIDTH, _NARROWEST, _WIDEST = 80, 40, 100


class Look(Enum):
    """The style of a paragraph on a terminal with colours (ECMA-48, SGR)."""

    PLAIN = ""
    BOLD = "1"
    ALARM = "1;31"
    GOOD = "1;32"


class Narrator:
    """Writes paragraphs to ``stream``. Raises what write() raises: BrokenPipeError if the reader is gone."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._began = time.monotonic()
        terminal = stream.isatty()
        width = shutil.get_terminal_size((_WIDTH, 0)).columns if terminal else _WIDTH
        self._width = min(max(width, _NARROWEST), _WIDEST) - 1
        # https://no-color.org: set and not empty, whatever the value
        self._colours = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"

    @property
    def room(self) -> int:
        """The width for :meth:`show`: one more than the longest line it can take."""
        return self._width - 1

    @property
    def seconds(self) -> float:
        """Time since it started."""
        return time.monotonic() - self._began

    def say(self, text: str, look: Look = Look.PLAIN) -> None:
        """Write a paragraph with the time."""
        stamp = f"{self.seconds:5.1f} s  "
        self._write(self._wrap(text, stamp, _MARGIN), look)

    def add(self, text: str) -> None:
        """Write a paragraph without a time."""
        self._write(self._wrap(text, _MARGIN, _MARGIN))

    def entry(self, name: str, text: str) -> None:
        """Write an entry of a list: a short name and a text."""
        first, rest = f"{_MARGIN}  {name}  ", f"{_MARGIN}  {' ' * len(name)}  "
        self._write(self._wrap(text, first, rest))

    def show(self, lines: Iterable[str]) -> None:
        """Write lines as they are, between blank ones."""
        self._write(["", *(f"  {line}".rstrip() for line in lines), ""])

    def pause(self) -> None:
        """Write a blank line."""
        self._write([""])

    def _wrap(self, text: str, first: str, rest: str) -> list[str]:
        wrapper = TextWrapper(
            self._width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False, break_long_words=False
        )
        return wrapper.wrap(text)

    def _write(self, lines: Iterable[str], look: Look = Look.PLAIN) -> None:
        begin, end = (f"\x1b[{look.value}m", "\x1b[0m") if self._colours and look.value else ("", "")
        self._stream.write("".join(f"{begin}{line}{end}\n" for line in lines))
        self._stream.flush()
