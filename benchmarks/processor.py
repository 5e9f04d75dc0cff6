"""The processor time of the daemon and its lookouts: idle, with many queries, with many forks; and of the others."""

from __future__ import annotations

import time

from benchmarks.figure import Comparison, Figure, at_most, without_aim
from benchmarks.others import TOOLS
from benchmarks.processes import pss_megabytes, share_of_core
from benchmarks.running import Load, load, running_daemon, scale

_SETTLING_SECONDS = 4.0
_IDLE_SECONDS = 20.0
_BUSY_SECONDS = 12.0
_PROCESSES = 1000
_MANY, _MORE, _FORKS = 50_000, 200_000, 2_000
_PERCENT = "{:.2%} of a core"


def _rated(pid: int, program: Load) -> tuple[float, float]:
    """Give the part of a core that a process uses under a load, and how much of that load there is a second."""
    time.sleep(_SETTLING_SECONDS)
    before, begun = program.done(), time.monotonic()
    share = share_of_core(pid, _BUSY_SECONDS * scale())
    return share, (program.done() - before) / (time.monotonic() - begun)


def _with_queries(pid: int, rate: int) -> tuple[float, float]:
    with load("load", "ask", rate * scale(), int(_PROCESSES * scale())) as program:
        return _rated(pid, program)


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
        memory = pss_megabytes(daemon.pid)
    of = f"from {_PROCESSES:,} processes"
    return [
        at_most("daemon processor time, idle", idle, 0.001, _PERCENT),
        at_most(f"daemon, {_MANY:,} queries/s {of}", many, 0.02, _PERCENT, f"{many_rate:,.0f}/s reached"),
        at_most(f"daemon, {_MORE:,} queries/s {of}", more, max(many, 0.02), _PERCENT, f"{more_rate:,.0f}/s reached"),
        at_most(f"daemon, {_FORKS:,} forks/s that never ask", forking, 0.01, _PERCENT, f"{forks:,.0f}/s reached"),
        without_aim(f"memory (PSS) after that, {_PROCESSES:,} processes", memory, "{:.1f} MB"),
        *_others(idle, many, memory),
    ]
