"""What programs lose: loops of lookups and of bare sends, with and without by turns; so of bpftrace and tcpdump."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field

from benchmarks.figure import Comparison, Figure, at_most, median, spread
from benchmarks.others import TOOLS, Tool
from benchmarks.running import PROGRAMS, scale
from tests.support.building import build

_PAIRS = {"resolvtrace": 9, "by_hand": 5, "tcpdump": 5}
_SECONDS = 0.5
_PROCESSOR = "0x2"
_AIMS = {
    "lookup": ("a lookup costs more (socket, connect, send, receive, close)", 0.02),
    "sendto": ("throughput lost by a bare sendto loop", 0.08),
    "send": ("throughput lost by a bare send loop on a connected socket", 0.05),
}
_PERCENT = "{:.1%}"


@dataclass
class _Pairs:
    """Nanoseconds a call, of each loop: without and with a tool, one after the other."""

    of: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: {loop: [] for loop in _AIMS})

    def losses(self, loop: str) -> list[float]:
        """Give what each pair tells: of a lookup the time it takes more, of the others the calls that are not made."""
        if loop == "lookup":
            return [after / before - 1 for before, after in self.of[loop]]
        return [1 - before / after for before, after in self.of[loop]]

    def plain(self, loop: str) -> float:
        """Give the nanoseconds of a call without."""
        return median([before for before, _ in self.of[loop]])


def _nanoseconds(loop: str) -> float:
    """Run a loop, on one processor for all its processes."""
    argv = ["taskset", _PROCESSOR, str(build("loops", programs=PROGRAMS)), loop, str(_SECONDS * scale())]
    return float(subprocess.run(argv, capture_output=True, check=True, text=True).stdout)


def _pairs(tool: Tool, number: int) -> _Pairs:
    found = _Pairs()
    for _ in range(number):
        before = {loop: _nanoseconds(loop) for loop in _AIMS}
        with tool():
            for loop in _AIMS:
                found.of[loop].append((before[loop], _nanoseconds(loop)))
    return found


def measure() -> list[Figure | Comparison]:
    """Measure all three."""
    pairs = {name: _pairs(tool, max(1, int(_PAIRS[name] * scale()))) for name, tool in TOOLS.items()}
    ours = pairs["resolvtrace"]
    figures: list[Figure | Comparison] = []
    for loop, (what, aim) in _AIMS.items():
        losses = ours.losses(loop)
        detail = f"{spread(losses, _PERCENT)}; {ours.plain(loop) / 1000:.1f} µs without"
        figures.append(at_most(what, median(losses), aim, _PERCENT, detail))
    for loop, (what, _) in _AIMS.items():
        usual = {name: _PERCENT.format(median(found.losses(loop))) for name, found in pairs.items()}
        figures.append(Comparison(what, **usual))
    return figures
