"""What ``check`` prints for people: the host's nameservers, a row for each process to look at, and what to do.

A pure function of a snapshot and a width. Text from processes is escaped here.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from textwrap import wrap

from exporter.escape import printable
from exporter.text.durations import age, local
from exporter.text.table import Column, lay_out
from tracer.report.answering import nameservers_answering, unanswered
from tracer.report.snapshot import NameserverUse, ProcessSnapshot, Snapshot
from tracer.verdict.answers import Answers
from tracer.verdict.states import SEVERITY, State

__all__ = ["queries", "report", "runs", "unit_or_container", "when", "without_answers", "worth_a_look"]

_SHOWN = frozenset({State.STALE, State.OUTDATED, State.GRACE, State.SUSPECT})
"""States that are shown by default. The others need no action now; ``unlisted`` is as configured."""

_COLUMNS = (
    Column("STATE"),
    Column("PID", right=True),
    Column("COMM", least=6),
    Column("UNIT", least=6),
    Column("PATH"),
    Column("NAMESERVER", least=15, middle=True),
    Column("QUERIES", right=True),
    Column("FOR", right=True),
)
_WIDEST_TEXT = 100


def worth_a_look(check: Snapshot) -> list[ProcessSnapshot]:
    """Return the processes that are shown by default, in the order of their rows.

    A worker is left out unless its state is worse than its owner's: sendmail has one row, its listener's.
    """
    states = {process.pid: process.state for process in check.processes}

    def stands_alone(process: ProcessSnapshot) -> bool:
        owner = states.get(process.owner) if process.worker else None
        return owner is None or _rank(process.state) < _rank(owner)

    return _ordered([process for process in check.processes if process.state in _SHOWN and stands_alone(process)])


def report(check: Snapshot, width: int | None = None, *, everything: bool = False) -> str:
    """Return the report, each line narrower than ``width`` (the terminal's; None for no limit).

    ``everything``: show every tracked process.
    """
    fits = None if width is None else width - 1
    text_width = min(fits or _WIDEST_TEXT, _WIDEST_TEXT)
    chosen = worth_a_look(check)
    stale = [process for process in chosen if process.state == State.STALE]
    rows = _ordered(check.processes) if everything else chosen
    lines = [line for text in _header(check) for line in wrap(text, text_width, subsequent_indent="  ")]
    if rows:
        lines += ["", *lay_out(_COLUMNS, [_row(process, check.time) for process in rows], fits)]
    for process in stale:
        lines += ["", *_details(process, check.time, text_width)]
    if everything:
        lines += _ignored(check, text_width)
    flag = _flag(stale)
    lines += ["", *wrap(f"{flag} {_hidden(check, rows)}", text_width)]
    return "\n".join(lines) + "\n"


def _flag(stale: list[ProcessSnapshot]) -> str:
    failing = sum(bool(unanswered(process)) for process in stale)
    if not stale:
        return "Nothing is stale."
    return f"{len(stale)} stale, {failing} without answers." if failing else f"{len(stale)} stale."


def _rank(state: str) -> int:
    return SEVERITY.index(State(state))


def _ordered(processes: Iterable[ProcessSnapshot]) -> list[ProcessSnapshot]:
    """Order them by state; of the stale, those whose lookups fail now come first."""
    return sorted(processes, key=lambda p: (_rank(p.state), not unanswered(p), p.stale_since or 0, p.pid))


def _header(check: Snapshot) -> Iterator[str]:
    now = check.time
    host = next((view for view in check.views if view.id == "host"), None)
    if host is None:
        yield "Nameservers of this host: unknown"
    else:
        implicit = " (the default: the file lists none)" if host.implicit else ""
        yield (
            f"Nameservers in {printable(host.path)}: {', '.join(host.nameservers)}{implicit}; "
            f"generation {host.generation}, since {when(host.changed_at, now)}"
        )
        if host.also_listed:
            yield f"Also listed, but not used by glibc: {', '.join(host.also_listed)}"
        silent = [address for address, answers in nameservers_answering(check).items() if not answers]
        if silent:
            yield f"Warning: no answers from {', '.join(silent)}"
    yield f"Watching since {when(check.watching_since, now)}"
    detached = [probe.name for probe in check.health.probes if not probe.attached]
    if detached:
        yield f"Warning: probes not attached: {', '.join(detached)}"
    lost = [f"{reason} {count}" for reason, count in check.health.lost.items() if count]
    if lost:
        yield f"Warning: events lost, stale processes may be missing: {', '.join(lost)}"


def _row(process: ProcessSnapshot, now: int) -> tuple[str, ...]:
    worst = _worst(process.nameservers)
    since = process.stale_since
    return (
        process.state,
        str(process.pid),
        printable(process.comm),
        unit_or_container(process),
        process.lookup_path,
        printable(worst.address) if worst else "-",
        queries(worst) if worst else "-",
        age(since, now) if since else "-",
    )


def unit_or_container(process: ProcessSnapshot) -> str:
    """Return the systemd unit without ``.service``, else the pod, else the container's short id, else a dash."""
    return printable(process.unit or process.pod or (process.container or "-")[:12]).removesuffix(".service")


def _worst(nameservers: Iterable[NameserverUse]) -> NameserverUse | None:
    """Return the nameserver in the worst state, except ignored ones; among equals the one queried last."""
    counted = [nameserver for nameserver in nameservers if not nameserver.ignored]
    rank = min((_rank(nameserver.state) for nameserver in counted), default=None)
    worst = [nameserver for nameserver in counted if _rank(nameserver.state) == rank]
    return max(worst, key=lambda nameserver: nameserver.last_query or 0, default=None)


def queries(nameserver: NameserverUse) -> str:
    """Return the number of queries of a process and its workers, with ~ for an estimate."""
    count = nameserver.queries + nameserver.worker_queries
    return f"~{count}" if nameserver.estimated else str(count)


def _ignored(check: Snapshot, width: int) -> list[str]:
    lines = [
        line
        for process in check.processes
        for use in process.nameservers
        if use.ignored
        for line in wrap(
            printable(
                f"{use.state}: {process.comm} (pid {process.pid}) on {use.address}, by rule {', '.join(use.rules)}"
            ),
            width,
            initial_indent="  ",
            subsequent_indent="    ",
        )
    ]
    return ["", "Ignored:", *lines] if lines else []


def without_answers(process: ProcessSnapshot, now: int) -> Iterator[str]:
    """Say which nameservers do not answer a flagged process, and what that does to its lookups."""
    is_served = any(use.answers is Answers.YES for use in process.nameservers)
    effect = "each lookup waits for it" if is_served else "lookups fail"
    for use in unanswered(process):
        last = f"; the last answer came {age(use.last_answer, now)} ago" if use.last_answer is not None else ""
        yield f"{use.address} does not answer: {effect}{last}"


def _details(process: ProcessSnapshot, time: int, width: int) -> Iterator[str]:
    places = [process.unit, f"pod {process.pod}" if process.pod else None]
    who = ", ".join([f"{process.comm}, pid {process.pid}", *filter(None, places)])
    yield from wrap(printable(f"{who}:"), width)
    now = [("Now:  ", text) for text in without_answers(process, time)]
    texts = [*now, ("Seen: ", process.reason), ("Do:   ", process.advice)]
    for title, text in [*runs(process), *texts]:
        yield from wrap(printable(text), width, initial_indent=f"  {title}", subsequent_indent=" " * 8)


def runs(process: ProcessSnapshot) -> Iterator[tuple[str, str]]:
    """Give the command line of a process that no unit or pod names: its comm alone may be `python3`."""
    if process.command and not process.unit and not process.pod:
        yield "Runs: ", shlex.join(process.command)


def _hidden(check: Snapshot, rows: list[ProcessSnapshot]) -> str:
    shown = {process.pid for process in rows}
    hidden = [process for process in check.processes if process.pid not in shown]
    if not hidden:
        return ""
    states = Counter(process.state for process in hidden if not process.worker)
    counts = [f"{states[state]} {state}" for state in SEVERITY if states[state]]
    ignored = sum(any(use.ignored for use in process.nameservers) for process in check.processes)
    if ignored:
        counts.append(f"{ignored} ignored by rules")
    workers = sum(process.worker for process in hidden)
    if workers:
        counts.append(f"{workers} {'worker' if workers == 1 else 'workers'}")
    return f"Not shown (see --all): {', '.join(counts)}."


def when(time: int, now: int) -> str:
    """Return a time in the local time zone, and how long ago it was."""
    return f"{local(time)} ({age(time, now)} ago)"
