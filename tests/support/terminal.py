"""A terminal for a test: tmux(1), which draws what a program writes as a real one would."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Sequence
from itertools import count
from types import TracebackType
from typing import Self

from exporter.demo.lab import wait_until

WAIT_SECONDS = 15.0
_numbers = count()


class Terminal:
    """A shell with job control in a terminal of so many columns and lines, for the `with` block."""

    def __init__(self, columns: int, lines: int, env: dict[str, str] | None = None) -> None:
        self._name = f"resolvtrace-test-{os.getpid()}-{next(_numbers)}"
        self._size = ["-x", str(columns), "-y", str(lines)]
        self._env = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"], "PS1": "prompt> ", **(env or {})}

    def __enter__(self) -> Self:
        shell = ["env", "-i", "TERM=tmux-256color", *(f"{key}={value}" for key, value in self._env.items())]
        self._tmux("new-session", "-d", *self._size, shlex.join([*shell, "bash", "--norc", "--noprofile", "-i"]))
        self.wait_for("prompt>")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._tmux("kill-server")

    def run(self, argv: Sequence[str]) -> None:
        """Type a command."""
        self.type(shlex.join(argv))
        self.press("Enter")

    def type(self, text: str) -> None:
        """Type characters."""
        self._tmux("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names: Enter, Escape, C-z, Down."""
        self._tmux("send-keys", *keys)

    def click(self, column: int, line: int) -> None:
        """Press and let go the left button, as a terminal tells it (xterm's ctlseqs, SGR mouse mode); from 1."""
        self.type(f"\x1b[<0;{column};{line}M\x1b[<0;{column};{line}m")

    def resize(self, columns: int, lines: int) -> None:
        """Change its size."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def screen(self) -> str:
        """Return what it shows: lines, without the blanks at their ends."""
        return self._tmux("capture-pane", "-p")

    def painted(self) -> str:
        """Return the same with the escape sequences for colour."""
        return self._tmux("capture-pane", "-p", "-e")

    def wait_for(self, text: str) -> str:
        """Wait until a text shows; return the screen."""
        return self.wait_until(lambda screen: text in screen, f"{text!r} to show")

    def wait_until(self, test: Callable[[str], bool], what: str) -> str:
        """Wait until the screen passes a test; return it."""
        try:
            wait_until(lambda: test(self.screen()), WAIT_SECONDS, what)
        except TimeoutError as error:
            raise AssertionError(f"{error}; the screen is\n{self.screen()}") from None
        return self.screen()

    def _tmux(self, *words: str) -> str:
        command = ["tmux", "-f", "/dev/null", "-L", self._name, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
