"""The scorecard as a table, for a terminal and for docs/scorecard.md."""

from __future__ import annotations

import datetime as dt
import platform
from collections.abc import Iterable, Sequence

from tests.scorecard.comparison import Verdict
from tests.scorecard.uncertain import UNCERTAIN

_HEAD = ("way of querying", "sent", "counted", "attributed to", "verdict", "remark")
_TEXT = """# Scorecard

Every way of querying a nameserver that we know of, each tried by a real process, on a real kernel, with all of them
running at once below one daemon. Written by `make scorecard`, which anyone can run again, as root, on Debian 12: it
prints this table, and fails if a row fails.

Measured {date} on Linux {kernel}, {machine}, with bcc {bcc}: {good} of {all} rows hold.

- *Sent* is what the nameservers logged that they received.
- *Counted* is what `resolvtrace check --json` says: the queries, the nameserver, transport and port. UDP is exact.
  *About*: TCP and TLS are counted by segments with payload, and marked as an estimate.
- *Attributed to* is the process that it says so of. A row holds only if that is the process that sent (or what the
  remark says), by its pid in the initial pid namespace, and if no other process is shown with those addresses.

{certain}

## What cannot be known for certain

These rows hold if the tool does what the remark says.

{uncertain}
"""


def markdown(verdicts: Sequence[Verdict], bcc: str) -> str:
    """Give the whole page."""
    return _TEXT.format(
        date=dt.datetime.now(dt.UTC).date(),
        kernel=platform.release(),
        machine=platform.machine(),
        bcc=bcc,
        good=sum(not one.problems for one in verdicts),
        all=len(verdicts),
        certain=table(one for one in verdicts if one.row not in UNCERTAIN),
        uncertain=table(one for one in verdicts if one.row in UNCERTAIN),
    )


def table(verdicts: Iterable[Verdict]) -> str:
    """Give a Markdown table, which reads well as text too."""
    rows = [_HEAD, *map(cells, verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def cells(verdict: Verdict) -> tuple[str, ...]:
    """Give one row's cells."""
    texts = (
        verdict.row.name,
        str(verdict.sent),
        "; ".join(map(str, verdict.counted)) or "nothing",
        "; ".join(verdict.attributed) or "nobody",
        "FAIL" if verdict.problems else "ok",
        "; ".join(verdict.problems) or verdict.row.remark,
    )
    return tuple(" ".join(text.split()).replace("|", "\\|") for text in texts)
