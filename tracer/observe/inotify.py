"""What inotify(7) tells a process of, from /proc/PID/fdinfo (proc(5)): a change of a file that it never looks at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

_LINK = "anon_inode:inotify"
_MOST_DESCRIPTORS = 4096
"""Of a process with more, which may be a hundred thousand, the first are looked at."""


def watched(proc: str, pid: int) -> Iterator[tuple[int, int]]:
    """Give each file and directory that a process watches: inode, and device as the kernel numbers it."""
    with suppress(OSError), os.scandir(f"{proc}/{pid}/fd") as descriptors:
        for descriptor in islice(descriptors, _MOST_DESCRIPTORS):
            with suppress(OSError, ValueError):
                if os.readlink(descriptor.path) == _LINK:
                    yield from _watches(Path(f"{proc}/{pid}/fdinfo/{descriptor.name}").read_text())


def _watches(text: str) -> Iterator[tuple[int, int]]:
    """Read lines such as ``inotify wd:1 ino:9e7e sdev:800013 mask:800afce ignored_mask:0 ...``."""
    for line in text.splitlines():
        kind, *words = line.split()
        if kind == "inotify":
            fields = dict(word.split(":", 1) for word in words)
            yield int(fields["ino"], 16), int(fields["sdev"], 16)
