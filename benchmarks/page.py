"""docs/performance.md: every figure, with the machine and the kernel it was measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figure import Comparison, Figure

PAGE = Path(__file__).resolve().parents[1] / "docs/performance.md"
_NOTES = Path(__file__).with_name("notes.md")
_HEAD = """\
# What it costs

Written by `make bench`; measured, misses included. Nanoseconds are those of all probes together, by the kernel's own
run counters, above empty programs on the same hooks in the same run: the median of the rounds, and the lowest and
highest, since a virtual machine's speed may differ by a factor of two within minutes. What is lost is the median of
pairs of runs, one without and one with. Processor time and memory are the daemon's with its root reader
(docs/architecture.md); a megabyte is a million bytes.
"""
_COMPARED = """\
## Beside what an administrator would use instead

In the same run, one after the other: `benchmarks/by_hand.bt` under bpftrace, and `tcpdump -i any -n port 53`. Neither
tells who still uses a nameserver that was taken away: the first counts queries by process, for IPv4 and the calls that
it knows of; the second prints packets, without a process.
"""


def processor() -> str:
    """Name it (proc_cpuinfo(5))."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def render(rows: Sequence[Figure | Comparison]) -> str:
    """Make the page."""
    figures = [row for row in rows if isinstance(row, Figure)]
    compared = [row for row in rows if isinstance(row, Comparison)]
    missed = sum(row.met is False for row in figures)
    aims = sum(row.met is not None for row in figures)
    return "\n".join(
        [
            _HEAD,
            f"Measured {datetime.now(UTC):%Y-%m-%d} on Linux {platform.release()}, {platform.machine()};",
            f"{os.cpu_count()} cores, {processor()}. {aims - missed} of {aims} aims are met.",
            "",
            "| figure | measured | aim, at most | met |",
            "| --- | --- | --- | --- |",
            *(f"| {row.what} | {row.measured} | {row.aim} | {_met(row)} |" for row in figures),
            "",
            _COMPARED,
            "| figure | resolvtrace | bpftrace, by hand | tcpdump |",
            "| --- | --- | --- | --- |",
            *(f"| {row.what} | {row.resolvtrace} | {row.by_hand} | {row.tcpdump} |" for row in compared),
            "",
            _NOTES.read_text(),
        ]
    )


def line(row: Figure | Comparison) -> str:
    """Make the line that is printed when a figure is there."""
    if isinstance(row, Comparison):
        return f"{row.what}: {row.resolvtrace}; bpftrace {row.by_hand}; tcpdump {row.tcpdump}"
    return f"{row.what}: {row.measured}" + (f" (aim {row.aim}: {_met(row)})" if row.met is not None else "")


def _met(row: Figure) -> str:
    return {True: "yes", False: "**missed**", None: ""}[row.met]
