"""Rows of the scorecard, gone through inside a machine: whether each holds there."""

from __future__ import annotations

from pathlib import Path

from exporter.demo.lab import waiting
from tests.scorecard.comparison import compare
from tests.scorecard.rows import ROWS
from tests.scorecard.running import run
from tests.support import building

NAMES = (
    "connected UDP socket, send()",
    "connected UDP socket, sendmmsg()",
    "unconnected UDP socket, sendto()",
    "unconnected UDP socket, sendmsg()",
    "unconnected UDP socket, sendmmsg()",
    "TCP, many queries on one connection",
    "IPv6, connected",
    "IPv6, sendto()",
    "IPv6, TCP",
    "v4-mapped IPv6, connected",
    "v4-mapped IPv6, sendto()",
    "64 threads",
    "a socket from before fork(), used by both",
)
TIMEOUT_FACTOR = 20.0


def problems(directory: Path) -> dict[str, list[str]]:
    """Say of each row what does not hold. Compiles its programs, and starts a daemon of its own."""
    building.BUILT = directory / "programs"
    waiting.timeout_factor = TIMEOUT_FACTOR
    rows = [row for row in ROWS if row.name in NAMES]
    outcome = run(rows, directory)
    return {row.name: list(compare(row, outcome.rows[row.name]).problems) for row in rows}
