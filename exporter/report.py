"""What ``check`` prints for people: the host's nameservers, a row for each process worth a look, and what to do.

A pure function of the check form and a width. Everything that came from a process is made printable here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from textwrap import wrap

from exporter.durations import age
from exporter.escape import printable
from exporter.table import Column, lay_out
from exporter.wire import Check, Nameserver, Process
from tracer.snapshot import SEVERITY, State

__all__ = ["queries", "report", "unit_or_container", "when", "worth_a_look"]

_SHOWN = frozenset({State.STALE, State.OUTDATED, State.GRACE, State.SUSPECT})
"""States that get a row unasked; ``unlisted`` is as its administrator wanted it, the others are well."""

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


def worth_a_look(check: Check) -> list[Process]:
    """Return the processes that an administrator should see, in the order of their rows.

    A worker is left out while its owner is in the same state or a worse one: for sendmail, that is one row, the
    listener's.
    """
    states = {process["pid"]: process["state"] for process in check["processes"]}

    def stands_alone(process: Process) -> bool:
        owner = states.get(process["owner"]) if process["worker"] else None
        return owner is None or _rank(process["state"]) < _rank(owner)

    return _ordered([process for process in check["processes"] if process["state"] in _SHOWN and stands_alone(process)])


def report(check: Check, width: int | None = None, *, everything: bool = False) -> str:
    """Return the report's lines, each narrower than ``width`` (of the terminal; None where nothing has to fit).

    ``everything`` gives every tracked process a row.
    """
    fits = None if width is None else width - 1
    text_width = min(fits or _WIDEST_TEXT, _WIDEST_TEXT)
    chosen = worth_a_look(check)
    stale = [process for process in chosen if process["state"] == State.STALE]
    rows = _ordered(check["processes"]) if everything else chosen
    lines = [line for text in _header(check) for line in wrap(text, text_width, subsequent_indent="  ")]
    if rows:
        lines += ["", *lay_out(_COLUMNS, [_row(process, check["time"]) for process in rows], fits)]
    for process in stale:
        lines += ["", *_details(process, text_width)]
    if everything:
        lines += _ignored(check, text_width)
    flag = f"{len(stale)} stale." if stale else "Nothing is stale."
    lines += ["", *wrap(f"{flag} {_hidden(check, rows)}", text_width)]
    return "\n".join(lines) + "\n"


def _rank(state: str) -> int:
    return SEVERITY.index(State(state))


def _ordered(processes: list[Process]) -> list[Process]:
    return sorted(processes, key=lambda p: (_rank(p["state"]), p["stale_since"] or "", p["pid"]))


def _header(check: Check) -> Iterator[str]:
    now = check["time"]
    host = next((view for view in check["views"] if view["id"] == "host"), None)
    if host is None:
        yield "Nameservers of this host: not known"
    else:
        implicit = " (implicit: the file names none)" if host["implicit"] else ""
        yield (
            f"Nameservers in {printable(host['path'])}: {', '.join(host['nameservers'])}{implicit}; "
            f"generation {host['generation']}, since {when(host['changed_at'], now)}"
        )
        if host["also_listed"]:
            yield f"Listed there, but not used by glibc: {', '.join(host['also_listed'])}"
    yield f"Watching since {when(check['watching_since'], now)}"
    detached = [probe for probe, attached in check["health"]["probes"].items() if not attached]
    if detached:
        yield f"Warning: probes not attached: {', '.join(detached)}"
    lost = [f"{reason} {count}" for reason, count in check["health"]["lost"].items() if count]
    if lost:
        yield f"Warning: lost, so the picture may have gaps: {', '.join(lost)}"


def _row(process: Process, now: str) -> tuple[str, ...]:
    worst = _worst(process["nameservers"])
    since = process["stale_since"]
    return (
        process["state"],
        str(process["pid"]),
        printable(process["comm"]),
        unit_or_container(process),
        process["lookup_path"],
        printable(worst["address"]) if worst else "-",
        queries(worst) if worst else "-",
        age(since, now) if since else "-",
    )


def unit_or_container(process: Process) -> str:
    """Return the systemd unit without what it nearly always ends in, else the pod, the container's short id, a dash."""
    return printable(process["unit"] or process["pod"] or (process["container"] or "-")[:12]).removesuffix(".service")


def _worst(nameservers: list[Nameserver]) -> Nameserver | None:
    """Return the nameserver in the worst state, the ignored aside; among equals the one that was asked last."""
    told = [nameserver for nameserver in nameservers if not nameserver["ignored"]]
    rank = min((_rank(nameserver["state"]) for nameserver in told), default=None)
    worst = [nameserver for nameserver in told if _rank(nameserver["state"]) == rank]
    return max(worst, key=lambda nameserver: nameserver["last_query"] or "", default=None)


def queries(nameserver: Nameserver) -> str:
    """Return the queries of a process and of its workers, which use its resolver state."""
    count = nameserver["queries"] + nameserver["worker_queries"]
    return f"~{count}" if nameserver["estimated"] else str(count)


def _ignored(check: Check, width: int) -> list[str]:
    lines = [
        line
        for process in check["processes"]
        for use in process["nameservers"]
        if use["ignored"]
        for line in wrap(
            printable(
                f"{use['state']}: {process['comm']} (pid {process['pid']}) on {use['address']}, by rule "
                f"{', '.join(use['rules'])}"
            ),
            width,
            initial_indent="  ",
            subsequent_indent="    ",
        )
    ]
    return ["", "Ignored:", *lines] if lines else []


def _details(process: Process, width: int) -> Iterator[str]:
    places = [process["unit"], f"pod {process['pod']}" if process["pod"] else None]
    who = ", ".join([f"{process['comm']}, pid {process['pid']}", *filter(None, places)])
    yield from wrap(printable(f"{who}:"), width)
    for title, text in (("Seen: ", process["reason"]), ("Do:   ", process["advice"])):
        yield from wrap(printable(text), width, initial_indent=f"  {title}", subsequent_indent=" " * 8)


def _hidden(check: Check, rows: list[Process]) -> str:
    shown = {process["pid"] for process in rows}
    hidden = [process for process in check["processes"] if process["pid"] not in shown]
    if not hidden:
        return ""
    states = Counter(process["state"] for process in hidden if not process["worker"])
    counts = [f"{states[state]} {state}" for state in SEVERITY if states[state]]
    ignored = sum(any(use["ignored"] for use in process["nameservers"]) for process in check["processes"])
    if ignored:
        counts.append(f"{ignored} ignored by rules")
    workers = sum(process["worker"] for process in hidden)
    if workers:
        counts.append(f"{workers} {'worker' if workers == 1 else 'workers'}")
    return f"Not shown (see --all): {', '.join(counts)}."


def when(time: str, now: str) -> str:
    """Return a time as the reader's clock shows it, and how long ago it was."""
    return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M:%S} ({age(time, now)} ago)"
