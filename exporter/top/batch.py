"""``top -b``: plain samples, for a pipe or a file."""

from __future__ import annotations

import sys
import time
from itertools import count

from exporter.feed.client import fetch_table
from exporter.feed.top_table import Table
from exporter.text import table
from exporter.top.arrangement import Arrangement
from exporter.top.columns import COLUMNS
from exporter.top.header import Shown, header
from exporter.top.rows import Rates

__all__ = ["print_samples", "sample"]

_COLUMNS = [table.Column(column.title, right=column.right) for column in COLUMNS]


def print_samples(socket: str, number: int | None, seconds: float, arrangement: Arrangement) -> None:
    """Print ``number`` samples (None: until interrupted), ``seconds`` apart. Raises NoDaemon."""
    rates = Rates()
    for taken in range(number) if number is not None else count():
        if taken:
            time.sleep(seconds)
            sys.stdout.write("\n")
        sys.stdout.write(sample(fetch_table(socket), rates, arrangement))
        sys.stdout.flush()


def sample(given: Table, rates: Rates, arrangement: Arrangement) -> str:
    """Return one sample as text. Nothing is cut."""
    rows = arrangement.apply(rates.rows(given))
    cells = [[column.text(row, given["time"]) for column in COLUMNS] for row in rows]
    lines = [text for _, text in header(given, Shown(arrangement))]
    return "\n".join([*lines, "", *table.lay_out(_COLUMNS, cells, None)]) + "\n"
