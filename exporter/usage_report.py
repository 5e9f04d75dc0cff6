"""What ``who`` prints, for people and as JSON. A pure function of the answer."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from exporter.durations import age, short
from exporter.escape import printable
from exporter.report import queries, unit_or_container, when
from exporter.table import Column, lay_out
from exporter.usage import Answer, Usage
from exporter.wire import SCHEMA, Check, Nameserver, Process

__all__ = ["as_json", "report"]

_COLUMNS = (
    Column("STATE"),
    Column("PID", right=True),
    Column("COMM", least=6),
    Column("UNIT", least=6),
    Column("QUERIES", right=True),
    Column("LAST", right=True),
)
_IN_USE = {Answer.YES: True, Answer.NO: False, Answer.TOO_EARLY: None}
_WIDEST_TEXT = 100


def report(usage: Usage, check: Check, window: float, width: int | None = None) -> str:
    """Return the answer in a sentence, and then who uses it, who did, and who may come again."""
    fits = None if width is None else width - 1
    text_width = min(fits or _WIDEST_TEXT, _WIDEST_TEXT)
    lines = [line for text in _sentences(usage, check, window) for line in wrap(text, text_width)]
    now = check["time"]
    for title, found in (("Uses it:", usage.users), ("Used it, and keeps to others since:", usage.former)):
        if found:
            ordered = sorted(found, key=lambda item: item[1]["last_query"] or "", reverse=True)
            lines += ["", title, *lay_out(_COLUMNS, [_row(*item, now) for item in ordered], fits)]
    if usage.past:
        lines += ["", "Used it, is gone, and may come again:"]
        for past in sorted(usage.past, key=lambda past: past["last_query"], reverse=True):
            who = " ".join(text for text in (past["unit"], past["exe"]) if text) or "not known"
            lines += wrap(
                f"  {printable(who)}: {past['queries']} queries, last {when(past['last_query'], now)}", text_width
            )
    return "\n".join(lines) + "\n"


def _sentences(usage: Usage, check: Check, window: float) -> Iterator[str]:
    address, now = usage.address, check["time"]
    match usage.answer:
        case Answer.YES:
            yield f"No, {address} must stay: {_why(usage)}."
        case Answer.NO:
            yield (
                f"Yes, {address} may be switched off: nobody has used it since {when(usage.quiet_since, now)}, "
                f"which is more than {short(window)}."
            )
        case Answer.TOO_EARLY:
            yield (
                f"Too early to say: nobody was seen to use {address}, but that is known only since "
                f"{when(usage.quiet_since, now)}. Ask again when that is {short(window)} ago, or be content with less: "
                f"--since {age(usage.quiet_since, now)}."
            )


def _why(usage: Usage) -> str:
    found = []
    if usage.users:
        found.append(f"{len(usage.users)} {'process uses' if len(usage.users) == 1 else 'processes use'} it")
    if usage.listed:
        found.append(f"{printable(', '.join(sorted(set(usage.listed))))} lists it")
    if usage.past and not usage.users:
        found.append("what used it is gone and may come again")
    return ", and ".join(found)


def _row(process: Process, use: Nameserver, now: str) -> tuple[str, ...]:
    last = use["last_query"]
    return (
        use["state"],
        str(process["pid"]),
        printable(process["comm"]),
        unit_or_container(process),
        queries(use),
        f"{age(last, now)} ago" if last else "-",
    )


def as_json(usage: Usage, check: Check) -> dict[str, object]:
    """Return the answer as an object; ``in_use`` is null where it is too early to say."""
    return {
        "schema": SCHEMA,
        "time": check["time"],
        "address": usage.address,
        "in_use": _IN_USE[usage.answer],
        "watching_since": check["watching_since"],
        "quiet_since": usage.quiet_since,
        "listed_by": usage.listed,
        "processes": [
            {"pid": process["pid"], "comm": process["comm"], "unit": process["unit"], **use}
            for process, use in (*usage.users, *usage.former)
        ],
        "past_uses": usage.past,
    }
