"""What a process writes to its standard error, kept for whoever outlives it.

Compiler and verifier say there what is wrong, and LLVM then ends the process by exit(3), which no Python code in it
notices.
"""

from __future__ import annotations

import os
import sys

__all__ = ["Words"]

_STDERR = 2
_SHOWN = 600


class Words:
    """A file in memory that takes the place of a child's standard error. Make it before the fork."""

    def __init__(self) -> None:
        self._file = os.memfd_create("words")

    def take_stderr(self) -> None:
        """Keep what this process writes from now on, its C libraries too."""
        sys.stderr.flush()
        os.dup2(self._file, _STDERR)

    def position(self) -> int:
        """Say how much was written so far."""
        sys.stderr.flush()
        return os.fstat(self._file).st_size

    def text(self, begin: int = 0) -> str:
        """Give the last of what was written, but nothing from before ``begin``."""
        begin = max(begin, self.position() - _SHOWN)
        return os.pread(self._file, _SHOWN, begin).decode(errors="replace").strip()

    def close(self) -> None:
        """Forget it."""
        os.close(self._file)
