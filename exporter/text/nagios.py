"""One line for Nagios, Icinga and the like, with performance data (Monitoring Plugins Development Guidelines)."""

from __future__ import annotations

from collections import Counter
from enum import IntEnum

from exporter.escape import printable
from exporter.text.report import unit_or_container, worth_a_look
from tracer.report.answering import unanswered
from tracer.report.snapshot import ProcessSnapshot, Snapshot
from tracer.verdict.states import State

__all__ = ["Status", "nagios", "no_answer"]

_NAMED = 5
"""Processes named in the line; a pager shows little more."""


class Status(IntEnum):
    """The convention's exit statuses."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


def nagios(check: Snapshot) -> tuple[Status, str]:
    """Return status and line: critical if something is stale, warning if something is outdated or a probe missing."""
    found = worth_a_look(check)
    stale = [process for process in found if process.state == State.STALE]
    outdated = [process for process in found if process.state == State.OUTDATED]
    detached = [probe.name for probe in check.health.probes if not probe.attached]
    if stale:
        failing = sum(bool(unanswered(process)) for process in stale)
        without = f", {failing} without answers" if failing else ""
        status, text = Status.CRITICAL, f"{len(stale)} stale{without}: {_names(stale)}"
    elif outdated:
        status, text = Status.WARNING, f"{len(outdated)} outdated: {_names(outdated)}"
    elif detached:
        status, text = Status.WARNING, f"nothing stale; probes not attached: {', '.join(detached)}"
    else:
        status, text = Status.OK, "nothing stale"
    return status, _line(status, text, _performance(check, found))


def no_answer(message: str) -> tuple[Status, str]:
    """Return status and line if no daemon answers."""
    return Status.UNKNOWN, _line(Status.UNKNOWN, printable(message), "")


def _line(status: Status, text: str, performance: str) -> str:
    # Performance data follows a bar, so no name may contain one.
    return f"RESOLVTRACE {status.name} - {text.replace('|', '/')}{f' | {performance}' if performance else ''}\n"


def _names(processes: list[ProcessSnapshot]) -> str:
    names = [f"{printable(one.comm)}[{one.pid}]{_unit(one)}" for one in processes[:_NAMED]]
    more = len(processes) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _unit(process: ProcessSnapshot) -> str:
    name = unit_or_container(process)
    return "" if name == "-" else f" ({name})"


def _performance(check: Snapshot, found: list[ProcessSnapshot]) -> str:
    """Write ``label=value;warn;crit;min``: stale is critical from 1, outdated a warning from 1."""
    states = Counter(process.state for process in found)
    owners = [process.state for process in check.processes if not process.worker]
    lost = sum(check.health.lost.values())
    return (
        f"stale={states[State.STALE]};;0;0 outdated={states[State.OUTDATED]};0;;0 "
        f"grace={states[State.GRACE]};;;0 suspect={states[State.SUSPECT]};;;0 "
        f"quiet={owners.count(State.QUIET)};;;0 tracked={len(owners)};;;0 lost={lost}c;;;0"
    )
