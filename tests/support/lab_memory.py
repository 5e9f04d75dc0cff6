"""A memory limit for one program, by cgroup v1 or v2, whichever the machine has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exporter.demo.lab import wait_until
from tests.support.lab_cgroups import removed
from tracer.kernel.filesystems import find_cgroup2

_V1 = Path("/sys/fs/cgroup/memory")


@dataclass(frozen=True)
class Limited:
    """A cgroup with a limit. Sizes in bytes."""

    directory: Path

    def within(self, *argv: str) -> list[str]:
        """Give the command that runs a program in it."""
        return ["sh", "-c", 'echo $$ >"$0"/cgroup.procs && exec "$@"', str(self.directory), *argv]

    def killed(self) -> int:
        """Tell how many processes the kernel has killed for lack of memory."""
        for name in ("memory.events", "memory.oom_control"):
            file = self.directory / name
            if file.exists():
                fields = dict(line.split() for line in file.read_text().splitlines())
                return int(fields["oom_kill"])
        raise FileNotFoundError(self.directory)


@contextmanager
def memory_limit(size: int) -> Iterator[Limited]:
    """Make a cgroup for a `with` block. Raises OSError if there is no memory controller."""
    if _V1.is_dir():
        top, limit = _V1, "memory.limit_in_bytes"
    else:
        top, limit = find_cgroup2() or Path("/sys/fs/cgroup"), "memory.max"
        (top / "cgroup.subtree_control").write_text("+memory")
    directory = top / f"resolvtrace-limit-{os.getpid()}"
    directory.mkdir()
    try:
        (directory / limit).write_text(str(size))
        yield Limited(directory)
    finally:
        wait_until(lambda: removed(str(directory)), 10, "the cgroup to be empty")
