"""Measure everything and write docs/performance.md; or, with parts named, measure those alone and print them."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Sequence

from benchmarks import costs, delays, growth, live_view, memory, processor, throughput, views
from benchmarks.figure import Comparison, Figure
from benchmarks.page import PAGE, line, render
from benchmarks.running import enter_own_network

_PARTS: dict[str, Callable[[], Sequence[Figure | Comparison]]] = {
    "costs": costs.measure,
    "throughput": throughput.measure,
    "processor": processor.measure,
    "delays": delays.measure,
    "views": views.measure,
    "memory": memory.measure,
    "top": live_view.figures,
    "growth": growth.measure,
}


def _measure(part: str) -> Sequence[Figure | Comparison]:
    """Run one part; one that fails is reported, and the others go on."""
    begun = time.monotonic()
    try:
        rows = _PARTS[part]()
    except Exception:  # noqa: BLE001 - whatever it was, the rest can be measured
        traceback.print_exc()
        rows = [Figure(part, "**not measured: this part failed**", met=False)]
    for row in rows:
        sys.stdout.write(f"{line(row)}\n")
    sys.stdout.write(f"  ({part}: {time.monotonic() - begun:.0f} s)\n")
    sys.stdout.flush()
    return rows


def main(parts: Sequence[str]) -> int:
    """Return 1 where a part is not one, else 0, misses or not: they stand on the page."""
    unknown = set(parts) - set(_PARTS)
    if unknown:
        sys.stderr.write(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(_PARTS)}\n")
        return 1
    enter_own_network()
    rows = [row for part in parts or _PARTS for row in _measure(part)]
    if not parts:
        PAGE.write_text(render(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
