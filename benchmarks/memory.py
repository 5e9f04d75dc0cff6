"""What a crowd takes: memory for a hundred processes, and for ten thousand in five hundred views; a scrape of them."""

from __future__ import annotations

import tempfile
import time

from benchmarks.counters import bpftool, held
from benchmarks.figure import Figure, at_most, median, spread
from benchmarks.processes import pss_megabytes, share_of_core
from benchmarks.running import RunningDaemon, load, running_daemon, scale
from exporter.demo.lab import wait_until

_PROCESSES = 20
"""In each view."""
_FEW, _MANY = 5, 500
_ASK_SECONDS = 10.0
_SETTLING_SECONDS = 15.0
_KNOWN_SECONDS = 60.0
"""Until it is known of each how its queries and looks at resolv.conf go together (benchmarks/processor.py)."""
_WATCHED_SECONDS = 10.0
_SCRAPES = 20
_MEGABYTES = "{:.1f} MB"


def _wait_until_tracked(daemon: RunningDaemon, number: int) -> None:
    wait_until(lambda: daemon.metric('resolvtrace_processes{state="current"}') >= number, 60, "all to be tracked")
    time.sleep(_SETTLING_SECONDS * scale())


def _map_megabytes(pid: int) -> float:
    """Add up what the kernel holds for a process's maps (bpftool's bytes_memlock), in MiB."""
    numbers = held(pid, "map")
    return sum(int(one["bytes_memlock"]) for one in bpftool("map", "show") if one["id"] in numbers) / (1 << 20)


def _scrapes(daemon: RunningDaemon) -> tuple[list[float], int]:
    seconds = []
    text = ""
    for number in range(_SCRAPES):
        time.sleep(0.137 * (number % 9))  # at all distances from a tick
        begun = time.monotonic()
        text = daemon.metrics()
        seconds.append((time.monotonic() - begun) * 1000)
    return seconds, sum(not line.startswith("#") for line in text.splitlines())


def _few() -> list[Figure]:
    number = _FEW * _PROCESSES
    with (
        tempfile.TemporaryDirectory() as views,
        running_daemon() as daemon,
        load("crowd", views, _FEW, _PROCESSES, _ASK_SECONDS),
    ):
        _wait_until_tracked(daemon, number)
        return [
            at_most(f"memory (PSS), {number} processes", pss_megabytes(daemon.pid), 30, _MEGABYTES),
            at_most("BPF maps", _map_megabytes(daemon.pid), 6, "{:.2f} MiB"),
        ]


def _many() -> list[Figure]:
    views_number = max(1, int(_MANY * scale()))
    number = views_number * _PROCESSES
    crowd = f"{number:,} processes in {views_number} views"
    with (
        tempfile.TemporaryDirectory() as views,
        running_daemon() as daemon,
        load("crowd", views, views_number, _PROCESSES, _ASK_SECONDS),
    ):
        _wait_until_tracked(daemon, number)
        time.sleep(_KNOWN_SECONDS * scale())
        share = share_of_core(daemon.pid, _WATCHED_SECONDS * scale())
        seconds, series = _scrapes(daemon)
        milliseconds = "{:.0f} ms"
        return [
            at_most(f"memory (PSS), {crowd}", pss_megabytes(daemon.pid), 60, _MEGABYTES),
            at_most("BPF maps, with them", _map_megabytes(daemon.pid), 6, "{:.2f} MiB"),
            at_most(f"daemon, with them, each asking every {_ASK_SECONDS:.0f} s", share, 0.005, "{:.2%} of a core"),
            at_most("scrape of /metrics, with them", median(seconds), 50, milliseconds, spread(seconds, milliseconds)),
            at_most("series, with them", series, 300, "{:.0f}"),
        ]


def measure() -> list[Figure]:
    """Measure a small crowd and a large one, each with a daemon of its own."""
    return [*_few(), *_many()]
