"""Processor time of the daemon and its root readers: idle, with many queries, with many forks; and of the others."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.figure import Comparison, Figure, at_most, without_aim
from benchmarks.others import TOOLS
from benchmarks.processes import pss_megabytes, share_of_core
from benchmarks.running import RESOLVTRACE, Load, RunningDaemon, load, running_daemon, scale

_SETTLING_SECONDS = 4.0
_KNOWN_SECONDS = 40.0
"""Until it is known how queries and looks at resolv.conf go together: then the daemon leaves a healthy one alone."""
_SCRAPE_SECONDS = 15.0
_IDLE_SECONDS = 20.0
_BUSY_SECONDS = 12.0
_PROCESSES = 1000
_MANY, _MORE, _FORKS = 50_000, 200_000, 2_000
_PERCENT = "{:.2%} of a core"


def _rated(pid: int, program: Load, settling: float = _SETTLING_SECONDS) -> tuple[float, float]:
    """Give the part of a core that a process uses under a load, and how much of that load there is a second."""
    time.sleep(settling)
    before, begun = program.done(), time.monotonic()
    share = share_of_core(pid, _BUSY_SECONDS * scale())
    return share, (program.done() - before) / (time.monotonic() - begun)


def _with_queries(pid: int, rate: int) -> tuple[float, float]:
    with load("load", "ask", rate * scale(), int(_PROCESSES * scale())) as program:
        return _rated(pid, program, _KNOWN_SECONDS)


def _with_somebody_looking(daemon: RunningDaemon) -> tuple[float, float]:
    """Give the part of a core while it is scraped, and beside a `top`."""
    with load("load", "ask", _MANY * scale(), int(_PROCESSES * scale())):
        time.sleep(_KNOWN_SECONDS)
        with _scraping(daemon):
            scraped = share_of_core(daemon.pid, 2 * _SCRAPE_SECONDS)
        top = [str(RESOLVTRACE), "top", "-b", "-d", "1", "--socket", str(daemon.log.with_name("socket"))]
        with subprocess.Popen(top, stdout=subprocess.DEVNULL) as watching:
            beside_top = share_of_core(daemon.pid, _BUSY_SECONDS * scale())
            watching.terminate()
    return scraped, beside_top


@contextmanager
def _scraping(daemon: RunningDaemon) -> Iterator[None]:
    ended = threading.Event()

    def scrape() -> None:
        while not ended.wait(_SCRAPE_SECONDS):
            daemon.metrics()

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _with_forks(pid: int) -> tuple[float, float]:
    with load("load", "fork", _FORKS * scale()) as program:
        return _rated(pid, program)


def _others(idle: float, many: float, memory: float) -> list[Comparison]:
    """Measure the same of the others; what is given is ours."""
    rows = {"idle": {"resolvtrace": idle}, "many": {"resolvtrace": many}, "memory": {"resolvtrace": memory}}
    for name, tool in TOOLS.items():
        if name == "resolvtrace":
            continue
        with tool() as pid:
            rows["idle"][name] = share_of_core(pid, _SETTLING_SECONDS)
            rows["many"][name], _ = _with_queries(pid, _MANY)
            rows["memory"][name] = pss_megabytes(pid)
    forms = {
        "idle": ("its processor time, idle", _PERCENT),
        "many": (f"its processor time at {_MANY:,} queries/s", _PERCENT),
        "memory": (f"its memory (PSS), after {_PROCESSES:,} processes", "{:.1f} MB"),
    }
    return [
        Comparison(what, **{name: form.format(value) for name, value in rows[row].items()})
        for row, (what, form) in forms.items()
    ]


def measure() -> list[Figure | Comparison]:
    """Measure one after the other, with one daemon."""
    with running_daemon() as daemon:
        time.sleep(_SETTLING_SECONDS)
        idle = share_of_core(daemon.pid, _IDLE_SECONDS * scale())
        forking, forks = _with_forks(daemon.pid)
        many, many_rate = _with_queries(daemon.pid, _MANY)
        more, more_rate = _with_queries(daemon.pid, _MORE)
        scraped, beside_top = _with_somebody_looking(daemon)
        memory = pss_megabytes(daemon.pid)
    of = f"from {_PROCESSES:,} processes"
    return [
        at_most("daemon processor time, idle", idle, 0.0005, _PERCENT),
        at_most(f"daemon, {_MANY:,} queries/s {of}", many, 0.001, _PERCENT, f"{many_rate:,.0f}/s reached"),
        at_most(f"daemon, {_MORE:,} queries/s {of}", more, max(many, 0.001), _PERCENT, f"{more_rate:,.0f}/s reached"),
        at_most(f"daemon, {_MANY:,} queries/s {of}, scraped every {_SCRAPE_SECONDS:.0f} s", scraped, 0.005, _PERCENT),
        at_most(f"daemon, {_MANY:,} queries/s {of}, beside a top", beside_top, 0.025, _PERCENT),
        at_most(f"daemon, {_FORKS:,} forks/s that never ask", forking, 0.003, _PERCENT, f"{forks:,.0f}/s reached"),
        without_aim(f"memory (PSS) after that, {_PROCESSES:,} processes", memory, "{:.1f} MB"),
        *_others(idle, many, memory),
    ]
