"""One row of what was measured: the figure, the aim beside it, and whether that was met."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """``met`` is None where nothing was aimed at."""

    what: str
    measured: str
    aim: str = "-"
    met: bool | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same figure of resolvtrace, of the bpftrace script and of tcpdump, in one run."""

    what: str
    resolvtrace: str
    by_hand: str
    tcpdump: str


def at_most(what: str, value: float, aim: float, form: str, detail: str = "") -> Figure:
    """Make a row of a figure that should not be above its aim; ``form`` is a format string for both."""
    return Figure(what, form.format(value) + (f" ({detail})" if detail else ""), form.format(aim), value <= aim)


def without_aim(what: str, value: float, form: str, detail: str = "") -> Figure:
    """Make a row of a figure that is reported as it is."""
    return Figure(what, form.format(value) + (f" ({detail})" if detail else ""))


def spread(values: Sequence[float], form: str) -> str:
    """Tell the lowest and the highest."""
    return f"{form.format(min(values))} to {form.format(max(values))}"


def median(values: Sequence[float]) -> float:
    """Give the usual value."""
    return statistics.median(values)
