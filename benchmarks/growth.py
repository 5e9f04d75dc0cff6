"""Whether anything is kept of a million processes that came, read resolv.conf, asked and went."""

from __future__ import annotations

import os
import time

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.figure import Figure, without_aim
from benchmarks.processes import descriptors, pss_megabytes, share_of_core
from benchmarks.running import Load, RunningDaemon, load, running_daemon, scale

_PROCESSES = int(os.environ.get("BENCH_PROCESSES", "1000000"))
_RATE = 4000
"""A second: below the queries that one tick has room for."""
_WARM = 0.1
"""What the allocator takes once for this pace is taken by then."""
_SETTLING_SECONDS = 5
_FLAT_MEGABYTES = 1.0
"""What the allocator may hold more of at one moment than at another."""


def _wait_for(program: Load, number: float) -> None:
    while program.done() < number:
        time.sleep(0.2)


def measure() -> list[Figure]:
    """Measure before, after the first tenth, and after all."""
    number = _PROCESSES
    with running_daemon() as daemon:
        time.sleep(_SETTLING_SECONDS)
        first = pss_megabytes(daemon.pid)
        with load("load", "come", _RATE * scale()) as program:
            _wait_for(program, number * _WARM)
            warm, open_files = pss_megabytes(daemon.pid), descriptors(daemon.pid)
            begun, before = time.monotonic(), program.done()
            share = share_of_core(daemon.pid, _SETTLING_SECONDS)
            rate = (program.done() - before) / (time.monotonic() - begun)
            _wait_for(program, number)
            last, done = pss_megabytes(daemon.pid), program.done()
        time.sleep(_SETTLING_SECONDS)
        rest, more_files = pss_megabytes(daemon.pid), descriptors(daemon.pid) - open_files
        lost = _lost(daemon)
    growth = last - warm
    return [
        Figure(
            f"growth over {done:,} processes that came, asked and went",
            f"{growth:+.2f} MB, {more_files:+d} descriptors ({first:.1f} MB before them, {warm:.1f} after the first "
            f"tenth, {last:.1f} after all, {rest:.1f} at rest)",
            f"0 MB (±{_FLAT_MEGABYTES:.0f}), 0 descriptors",
            growth <= _FLAT_MEGABYTES and more_files <= 0,
        ),
        without_aim("daemon, meanwhile", share, "{:.1%} of a core", f"{rate:,.0f} processes/s"),
        Figure("what was lost of them", lost or "nothing"),
    ]


def _lost(daemon: RunningDaemon) -> str:
    families = text_string_to_metric_families(daemon.metrics())
    samples = [sample for family in families for sample in family.samples if sample.name == "resolvtrace_lost_total"]
    return ", ".join(f"{sample.labels['reason']}: {sample.value:,.0f}" for sample in samples if sample.value)
