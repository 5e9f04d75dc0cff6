"""What ``forecast`` prints, for people and as JSON. A pure function of the forecast."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from exporter.escape import printable, valid_text
from exporter.feed.check_json import SCHEMA
from exporter.feed.serialization import rfc3339
from exporter.text.forecast import Forecast, Prospect, Would
from exporter.text.report import runs, unit_or_container, when
from exporter.text.table import Column, lay_out
from tracer.report.snapshot import Snapshot

__all__ = ["as_json", "report"]

_COLUMNS = (
    Column("WOULD"),
    Column("PID", right=True),
    Column("COMM", least=6),
    Column("UNIT", least=6),
    Column("PATH"),
    Column("NAMESERVER", least=15, middle=True),
    Column("QUERIES", right=True),
)
_WIDEST_TEXT = 100
_MOST_DETAILS = 20
_ORDER = list(Would)


def report(found: Forecast, snapshot: Snapshot, width: int | None = None, *, everything: bool = False) -> str:
    """Return the forecast in a sentence, then who would stay and of whom it is not known, and why.

    Each line is narrower than ``width`` (None: no limit). ``everything``: show who would follow, too.
    """
    fits = None if width is None else width - 1
    text_width = min(fits or _WIDEST_TEXT, _WIDEST_TEXT)
    lines = [line for text in _sentences(found, snapshot) for line in wrap(text, text_width, subsequent_indent="  ")]
    shown = sorted([*found.that(Would.STAY), *found.that(Would.UNKNOWN)], key=_order)
    rows = sorted(found.prospects if everything else shown, key=_order)
    if rows:
        lines += ["", *lay_out(_COLUMNS, [row for one in rows for row in _rows(one)], fits)]
    for one in shown[:_MOST_DETAILS]:
        lines += ["", *_details(one, text_width)]
    if len(shown) > _MOST_DETAILS:
        lines += ["", f"{len(shown) - _MOST_DETAILS} more: see resolvtrace forecast --json."]
    return "\n".join(lines) + "\n"


def _order(one: Prospect) -> tuple[int, int]:
    return _ORDER.index(one.would), one.process.pid


def _sentences(found: Forecast, snapshot: Snapshot) -> Iterator[str]:
    since = when(snapshot.watching_since, snapshot.time)
    for address in found.unlisted:
        yield f"{address} is not listed in any resolv.conf. Who still uses it: resolvtrace who {address}"
    if not found.tracked:
        yield f"No process is tracked yet, so nothing can be forecast. Watching since {since}."
        return
    if not found.nameservers:
        yield "No resolv.conf lists a nameserver."
        return
    names = " and ".join(found.nameservers) if len(found.nameservers) < 3 else f"{len(found.nameservers)} nameservers"  # noqa: PLR2004
    them = "it" if len(found.nameservers) == 1 else "them"
    counts = {would: len(found.that(would)) for would in Would}
    if not any(counts.values()):
        yield f"No tracked process queries {names}. Watching since {since}."
        return
    yield (
        f"If resolv.conf dropped {names} now: {_number(counts[Would.STAY])} would stay with {them}, "
        f"{counts[Would.FOLLOW]} would follow, {counts[Would.UNKNOWN]} not known."
    )


def _number(count: int) -> str:
    return {0: "nobody", 1: "1 process"}.get(count, f"{count} processes")


def _rows(one: Prospect) -> Iterator[tuple[str, ...]]:
    process = one.process
    who = (one.would.value, str(process.pid), printable(process.comm), unit_or_container(process), process.lookup_path)
    counted: dict[str, tuple[int, bool]] = {}
    for use in one.uses:
        number, estimated = counted.get(use.address, (0, False))
        counted[use.address] = (number + use.queries + use.worker_queries, estimated or use.estimated)
    for address, (number, estimated) in counted.items():
        yield (*who, printable(address), f"{'~' if estimated else ''}{number}")
    if not counted:
        yield (*who, "-", "-")


def _details(one: Prospect, width: int) -> Iterator[str]:
    process = one.process
    places = [process.unit, f"pod {process.pod}" if process.pod else None]
    if process.container:
        places.append(f"container {process.container[:12]}")
    who = ", ".join([f"{process.comm}, pid {process.pid}", *filter(None, places)])
    yield from wrap(printable(f"{who}:"), width)
    texts = [*runs(process), ("Seen: ", one.reason)]
    if one.would is Would.STAY:
        texts.append(("Do:   ", one.advice))
    for title, text in texts:
        yield from wrap(printable(text), width, initial_indent=f"  {title}", subsequent_indent=" " * 8)


def as_json(found: Forecast, snapshot: Snapshot) -> dict[str, object]:
    """Return the forecast as an object: every process, those too that would follow."""
    return {
        "schema": SCHEMA,
        "time": rfc3339(snapshot.time),
        "watching_since": rfc3339(snapshot.watching_since),
        "nameservers": list(found.nameservers),
        "unlisted": list(found.unlisted),
        "tracked": found.tracked,
        "processes": [_as_json(one) for one in sorted(found.prospects, key=_order)],
    }


def _as_json(one: Prospect) -> dict[str, object]:
    process = one.process
    return {
        "pid": process.pid,
        "comm": valid_text(process.comm),
        "unit": None if process.unit is None else valid_text(process.unit),
        "container": process.container,
        "pod": process.pod,
        "view": process.view,
        "would": one.would.value,
        "reason": valid_text(one.reason),
        "advice": valid_text(one.advice) or None,
        "nameservers": sorted({use.address for use in one.uses}),
        "queries": sum(use.queries + use.worker_queries for use in one.uses),
    }
