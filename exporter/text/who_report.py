"""What ``who`` prints, for people and as JSON. A pure function of the answer."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from exporter.escape import printable
from exporter.feed.check_json import SCHEMA
from exporter.feed.serialization import encode, rfc3339
from exporter.text.durations import age, short
from exporter.text.nameserver_users import Answer, NameserverUsers
from exporter.text.report import queries, unit_or_container, when
from exporter.text.table import Column, lay_out
from tracer.report.snapshot import NameserverUse, ProcessSnapshot, Snapshot

__all__ = ["as_json", "report"]

_COLUMNS = (
    Column("STATE"),
    Column("PID", right=True),
    Column("COMM", least=6),
    Column("UNIT", least=6),
    Column("QUERIES", right=True),
    Column("LAST", right=True),
)
_IN_USE = {Answer.YES: True, Answer.NO: False, Answer.MAYBE: None, Answer.TOO_EARLY: None}
_WIDEST_TEXT = 100


def report(users: NameserverUsers, check: Snapshot, window: float, width: int | None = None) -> str:
    """Return the answer in a sentence, then who uses the nameserver, who may again, and who did."""
    fits = None if width is None else width - 1
    text_width = min(fits or _WIDEST_TEXT, _WIDEST_TEXT)
    lines = [line for text in _sentences(users, check, window) for line in wrap(text, text_width)]
    now = check.time
    for title, group in (
        ("Using it:", users.users),
        ("Quiet since it was removed, may use it again:", users.quiet),
        ("No longer using it:", users.stopped),
    ):
        if group:
            ordered = sorted(group, key=lambda item: item[1].last_query or 0, reverse=True)
            lines += ["", title, *lay_out(_COLUMNS, [_row(*item, now) for item in ordered], fits)]
    if users.past:
        lines += ["", "Exited, may be started again and use it:"]
        for past in sorted(users.past, key=lambda past: past.last_query, reverse=True):
            who = " ".join(text for text in (past.unit, past.exe) if text) or "unknown program"
            number = "1 query" if past.queries == 1 else f"{past.queries} queries"
            lines += wrap(f"  {printable(who)}: {number}, last {when(past.last_query, now)}", text_width)
    return "\n".join(lines) + "\n"


def _sentences(users: NameserverUsers, check: Snapshot, window: float) -> Iterator[str]:
    address, now = users.address, check.time
    since = when(users.quiet_since, now)
    match users.answer:
        case Answer.YES:
            yield f"No, keep {address}: {_why(users)}."
        case Answer.NO:
            yield f"Yes, {address} may be switched off: nobody has used it since {since}, more than {short(window)}."
        case Answer.MAYBE:
            number = len(users.quiet)
            who = "a process that has" if number == 1 else f"{number} processes that have"
            yield (
                f"Not yet: nobody has used {address} since {since}, but {who} queried nobody since may use it again. "
                f"Restart {'it' if number == 1 else 'them'}, or wait for the next lookup."
            )
        case Answer.TOO_EARLY:
            yield (
                f"Too early to say: nobody has used {address} since {since}, which is less than {short(window)}. "
                f"Try again later, or accept less: --since {age(users.quiet_since, now)}."
            )


def _why(users: NameserverUsers) -> str:
    found = []
    if users.users:
        number = len({process.pid for process, _ in users.users})
        found.append(f"{number} {'process uses' if number == 1 else 'processes use'} it")
    if users.listed:
        found.append(f"{printable(', '.join(sorted(set(users.listed))))} lists it")
    if users.past and not users.users:
        found.append("a program that used it has exited and may be started again")
    return ", and ".join(found)


def _row(process: ProcessSnapshot, use: NameserverUse, now: int) -> tuple[str, ...]:
    last = use.last_query
    return (
        use.state,
        str(process.pid),
        printable(process.comm),
        unit_or_container(process),
        queries(use),
        f"{age(last, now)} ago" if last else "-",
    )


def as_json(users: NameserverUsers, check: Snapshot) -> dict[str, object]:
    """Return the answer as an object; ``in_use`` is null if it cannot be said."""
    return {
        "schema": SCHEMA,
        "time": rfc3339(check.time),
        "address": users.address,
        "in_use": _IN_USE[users.answer],
        "watching_since": rfc3339(check.watching_since),
        "quiet_since": rfc3339(users.quiet_since),
        "listed_by": users.listed,
        "processes": [
            {"pid": who["pid"], "comm": who["comm"], "unit": who["unit"], **encode(use)}
            for process, use in (*users.users, *users.quiet, *users.stopped)
            for who in [encode(process)]
        ],
        "past_uses": [encode(use) for use in users.past],
    }
