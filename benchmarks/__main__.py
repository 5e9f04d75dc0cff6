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

from benchmarks import live_view
from benchmarks.costs import Cost, measure
from benchmarks.running import kernel_statistics, running_daemon

_STARTS = 7
_SETTLING_SECONDS = 5
_IDLE_SECONDS = 20
_ROUNDS = 7
_PAGE = Path(__file__).resolve().parents[1] / "docs/performance.md"


def _starts() -> list[float]:
    seconds = []
    for _ in range(_STARTS):
        with tempfile.TemporaryDirectory() as directory, running_daemon(Path(directory)) as daemon:
            seconds.append(daemon.ready_seconds)
    return seconds


def _memory_idle_and_costs() -> tuple[float, float, list[tuple[str, str]]]:
    with tempfile.TemporaryDirectory() as directory, running_daemon(Path(directory)) as daemon:
        time.sleep(_SETTLING_SECONDS)
        before, begun = daemon.cpu_seconds(), time.monotonic()
        time.sleep(_IDLE_SECONDS)
        idle = (daemon.cpu_seconds() - before) / (time.monotonic() - begun)
        memory = daemon.pss_megabytes()
        with kernel_statistics():
            rounds = [measure() for _ in range(_ROUNDS)]
    return memory, idle, [_together(costs) for costs in zip(*rounds, strict=True)]


def _together(costs: tuple[Cost, ...]) -> tuple[str, str]:
    nanoseconds = sorted(cost.nanoseconds for cost in costs)
    median, low, high = statistics.median(nanoseconds), nanoseconds[0], nanoseconds[-1]
    return costs[0].what, f"{median:.0f} ns ({low:.0f} to {high:.0f})"


def main() -> None:
    """Measure and write."""
    starts = _starts()
    memory, idle, costs = _memory_idle_and_costs()
    view = live_view.measure()
    rows = [
        ("start to ready, median", f"{statistics.median(starts):.2f} s", "1.2 s"),
        ("start to ready, slowest", f"{max(starts):.2f} s", "-"),
        ("memory (PSS), steady", f"{memory:.1f} MB", "46 MB"),
        ("processor, idle host", f"{idle:.2%} of a core", "-"),
        (f"top, {live_view.ROWS} rows: a key's answer, median", f"{view.median * 1000:.0f} ms", "-"),
        (f"top, {live_view.ROWS} rows: a key's answer, slowest", f"{view.slowest * 1000:.0f} ms", "100 ms"),
        (f"top, {live_view.ROWS} rows: processor", f"{view.share:.1%} of a core", "5%"),
        *((f"kernel: {what}", figure, "200 ns a query" if "query" in what else "-") for what, figure in costs),
    ]
    lines = [
        "# What it costs",
        "",
        "Written by `make bench`; measured, misses included. Nanoseconds are those of all probes together, by the",
        "kernel's own run counters, above empty programs on the same hooks in the same run: the median of the rounds,",
        "and the lowest and highest, since a virtual machine's speed may differ by a factor of two within minutes.",
        "",
        f"Measured {datetime.now(UTC):%Y-%m-%d} on Linux {platform.release()}, {platform.machine()};",
        f"{os.cpu_count()} cores, {_STARTS} starts, {_ROUNDS} rounds.",
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
