"""How the demo speaks: paragraphs with the seconds since it began, each as it happens, for 80 columns."""

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
    """How a paragraph looks on a terminal that has colours (ECMA-48, SGR)."""

    PLAIN = ""
    BOLD = "1"
    ALARM = "1;31"
    RELIEF = "1;32"


class Narrator:
    """Tells the story on ``stream``. What write() raises passes through: BrokenPipeError where nobody listens."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._began = time.monotonic()
        terminal = stream.isatty()
        width = shutil.get_terminal_size((_WIDTH, 0)).columns if terminal else _WIDTH
        self._width = min(max(width, _NARROWEST), _WIDEST) - 1
        # https://no-color.org: set and not empty, whatever it says
        self._colours = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"

    @property
    def room(self) -> int:
        """The columns that :meth:`show` has for a line, one more than the longest it can take."""
        return self._width - 1

    @property
    def seconds(self) -> float:
        """Time since it began."""
        return time.monotonic() - self._began

    def say(self, text: str, look: Look = Look.PLAIN) -> None:
        """Tell what happens now, with the time."""
        stamp = f"{self.seconds:5.1f} s  "
        self._write(self._wrap(text, stamp, _MARGIN), look)

    def add(self, text: str) -> None:
        """Tell more about it, without a time."""
        self._write(self._wrap(text, _MARGIN, _MARGIN))

    def entry(self, name: str, text: str) -> None:
        """Tell one of a list: a short name, and what there is to say of it."""
        first, rest = f"{_MARGIN}  {name}  ", f"{_MARGIN}  {' ' * len(name)}  "
        self._write(self._wrap(text, first, rest))

    def show(self, lines: Iterable[str]) -> None:
        """Show lines as they are, set off by blank ones."""
        self._write(["", *(f"  {line}".rstrip() for line in lines), ""])

    def pause(self) -> None:
        """Leave a line blank."""
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
