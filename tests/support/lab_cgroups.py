"""Cgroups with the names that systemd and container engines give, for programs that a test runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from exporter.demo.lab import wait_until


class Cgroups:
    """Cgroups of the test's own in the unified tree."""

    def __init__(self) -> None:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        mounts = [line.split()[4] for line in lines if " - cgroup2 " in line]
        self.root = Path(mounts[0]) / f"resolvtrace-test-{os.getpid()}"

    def within(self, path: str, argv: Sequence[str]) -> list[str]:
        """Make a cgroup and give the command that runs a program in it from its exec on."""
        directory = self.root / path
        directory.mkdir(parents=True, exist_ok=True)
        return ["sh", "-c", 'echo $$ >"$0"/cgroup.procs && exec "$@"', str(directory), *argv]

    def __enter__(self) -> Self:
        self.root.mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove them, innermost first, and kill who is left in them."""
        for directory, _, _ in os.walk(self.root, topdown=False):
            for pid in Path(directory, "cgroup.procs").read_text().split():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            wait_until(lambda path=directory: removed(path), 5, f"{directory} to be empty")  # type: ignore[misc]


def removed(directory: str) -> bool:
    """Try to remove a cgroup; a process that has just exited may still be counted in it."""
    try:
        os.rmdir(directory)
    except OSError:
        return False
    return True
