"""What processes take: memory, processor time, descriptors. Their threads and children count."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_KILOBYTE = 1024
_MEGABYTE = 1_000_000


def family(pid: int) -> Iterator[int]:
    """Give a process and its living descendants (proc_pid_task_children(5))."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from family(int(child))


def pss_megabytes(pid: int) -> float:
    """Give the proportional set size of a process and its descendants (proc_pid_smaps_rollup(5))."""
    total = 0
    for one in family(pid):
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{one}/smaps_rollup").read_text(), re.MULTILINE)
        total += int(found[1]) if found else 0
    return total * _KILOBYTE / _MEGABYTE


def cpu_seconds(pid: int) -> float:
    """Give the processor time of all threads of a process and its descendants, from their schedstat.

    In nanoseconds there, where stat counts by clock ticks (Documentation/scheduler/sched-stats.rst).
    """
    total = 0
    for one in family(pid):
        for task in Path(f"/proc/{one}/task").iterdir():
            with suppress(FileNotFoundError):  # it ended meanwhile
                total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def share_of_core(pid: int, seconds: float) -> float:
    """Watch for so long; give the part of one core that it used."""
    used, begun = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(pid) - used) / (time.monotonic() - begun)


def descriptors(pid: int) -> int:
    """Count the open files of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
