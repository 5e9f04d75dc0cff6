"""Measure everything, print it, write docs/performance.md."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.costs import Cost, measure
from benchmarks.running import kernel_statistics, running_daemon

_STARTS = 7
_SETTLING_SECONDS = 5
_IDLE_SECONDS = 20
_PAGE = Path(__file__).resolve().parents[1] / "docs/performance.md"


def _starts() -> list[float]:
    seconds = []
    for _ in range(_STARTS):
        with tempfile.TemporaryDirectory() as directory, running_daemon(Path(directory)) as daemon:
            seconds.append(daemon.ready_seconds)
    return seconds


def _memory_idle_and_costs() -> tuple[float, float, list[Cost]]:
    with tempfile.TemporaryDirectory() as directory, running_daemon(Path(directory)) as daemon:
        time.sleep(_SETTLING_SECONDS)
        before, begun = daemon.cpu_seconds(), time.monotonic()
        time.sleep(_IDLE_SECONDS)
        idle = (daemon.cpu_seconds() - before) / (time.monotonic() - begun)
        memory = daemon.pss_megabytes()
        with kernel_statistics():
            costs = measure()
    return memory, idle, costs


def main() -> None:
    """Measure and write."""
    starts = _starts()
    memory, idle, costs = _memory_idle_and_costs()
    rows = [
        ("start to ready, median", f"{statistics.median(starts):.2f} s", "1.2 s"),
        ("start to ready, slowest", f"{max(starts):.2f} s", "-"),
        ("memory (PSS), steady", f"{memory:.1f} MB", "46 MB"),
        ("processor, idle host", f"{idle:.2%} of a core", "-"),
        *((f"kernel: {cost.what}", f"{cost.nanoseconds:.0f} ns", "200 ns a query") for cost in costs),
    ]
    lines = [
        "# What it costs",
        "",
        "Written by `make bench`; measured, misses included. Nanoseconds are those of all probes together, by the",
        "kernel's own run counters, above empty programs on the same hooks in the same run.",
        "",
        f"Measured {datetime.now(UTC):%Y-%m-%d} on Linux {platform.release()}, {platform.machine()};",
        f"{os.cpu_count()} cores, {_STARTS} starts.",
        "",
        "| figure | measured | aim, at most |",
        "| --- | --- | --- |",
        *(f"| {what} | {figure} | {aim} |" for what, figure, aim in rows),
        "",
    ]
    _PAGE.write_text("\n".join(lines))
    sys.stdout.write("\n".join(lines[6:]))


if __name__ == "__main__":
    main()
