"""From a cgroup's number to its path, for processes that were gone before /proc could be asked.

The number that bpf_get_current_cgroup_id() gives is the inode of the cgroup's directory (kernfs).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

_KEPT = 4096
_SECONDS_BETWEEN_WALKS = 5


class CgroupPaths:
    """Paths below the root of cgroup2, by number; walked again, at most every five seconds, for an unknown one."""

    def __init__(self, root: str, seconds: Callable[[], float]) -> None:
        self._root = root
        self._seconds = seconds
        self._paths: dict[int, str] = {}
        self._walked = float("-inf")

    def path(self, number: int) -> str | None:
        """Give the path below the root, with a leading slash; None where it is not known."""
        if number not in self._paths and self._seconds() - self._walked >= _SECONDS_BETWEEN_WALKS:
            self._walked = self._seconds()
            self._paths = dict(self._walk())
        return self._paths.get(number)

    def _walk(self) -> Iterator[tuple[int, str]]:
        walk = os.walk(self._root)
        for _, (directory, _, _) in zip(range(_KEPT), walk, strict=False):
            try:
                yield os.stat(directory).st_ino, "/" + os.path.relpath(directory, self._root).removeprefix(".")
            except OSError:
                continue
