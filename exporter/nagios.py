"""One line for Nagios, Icinga and the like, with performance data (Monitoring Plugins Development Guidelines)."""

from __future__ import annotations

from collections import Counter
from enum import IntEnum

from exporter.escape import printable
from exporter.report import unit_or_container, worth_a_look
from exporter.wire import Check, Process
from tracer.snapshot import State

__all__ = ["Status", "nagios", "no_answer"]

_NAMED = 5
"""Processes that are named; a pager shows little more."""


class Status(IntEnum):
    """The convention's exit statuses."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


def nagios(check: Check) -> tuple[Status, str]:
    """Return status and line: critical where something is stale, warning where something is outdated or unseen."""
    found = worth_a_look(check)
    stale = [process for process in found if process["state"] == State.STALE]
    outdated = [process for process in found if process["state"] == State.OUTDATED]
    detached = [name for name, attached in check["health"]["probes"].items() if not attached]
    if stale:
        status, text = Status.CRITICAL, f"{len(stale)} stale: {_names(stale)}"
    elif outdated:
        status, text = Status.WARNING, f"{len(outdated)} outdated: {_names(outdated)}"
    elif detached:
        status, text = Status.WARNING, f"nothing stale; probes not attached: {', '.join(detached)}"
    else:
        status, text = Status.OK, "nothing stale"
    return status, _line(status, text, _performance(check, found))


def no_answer(message: str) -> tuple[Status, str]:
    """Return what to say where no daemon answers."""
    return Status.UNKNOWN, _line(Status.UNKNOWN, printable(message), "")


def _line(status: Status, text: str, performance: str) -> str:
    # What follows a bar is performance data: nobody's name may have one.
    return f"RESOLVTRACE {status.name} - {text.replace('|', '/')}{f' | {performance}' if performance else ''}\n"


def _names(processes: list[Process]) -> str:
    names = [f"{printable(one['comm'])}[{one['pid']}]{_unit(one)}" for one in processes[:_NAMED]]
    more = len(processes) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _unit(process: Process) -> str:
    name = unit_or_container(process)
    return "" if name == "-" else f" ({name})"


def _performance(check: Check, found: list[Process]) -> str:
    """Write ``label=value;warn;crit;min``: stale is critical from 1, outdated a warning from 1."""
    states = Counter(process["state"] for process in found)
    tracked = sum(not process["worker"] for process in check["processes"])
    lost = sum(check["health"]["lost"].values())
    return (
        f"stale={states[State.STALE]};;0;0 outdated={states[State.OUTDATED]};0;;0 "
        f"grace={states[State.GRACE]};;;0 suspect={states[State.SUSPECT]};;;0 tracked={tracked};;;0 lost={lost}c;;;0"
    )
