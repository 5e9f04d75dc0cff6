"""The table of the README: which systems were tried, with what, and when.

Each run leaves its rows as files (records); `make platforms-table` puts them into the page. A row replaces an older one
of the same distribution, architecture and commands; the others stay, with their dates.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from tests.platforms import facts, plans
from tests.platforms.keeper import Done

BEGIN, END = "<!-- make platforms writes from here -->", "<!-- to here -->"
COLUMNS = ("distribution", "kernel", "BCC", "LLVM", "Python", "architecture", "what was run", "result", "date")
RECORDS = Path(__file__).parents[1] / ".build/platforms/records"
_BETWEEN = re.compile(f"(?<={re.escape(BEGIN)}\n).*?(?={re.escape(END)})", re.DOTALL)

Row = dict[str, str]
"""A row's cells by column."""


def row(versions: dict[str, str], kernel: str, ran: str, result: str) -> Row:
    """Make a row of today: ``versions`` as facts.versions gives them."""
    made = {
        **versions,
        "kernel": kernel,
        "what was run": ran,
        "result": result,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    return {column: made.get(column, "unknown") for column in COLUMNS}


def rows(done: Iterable[Done]) -> dict[str, Row]:
    """Make the row of each root, by suite: what ran there, and what its tests came to."""
    by_suite: dict[str, list[Done]] = {}
    for one in done:
        by_suite.setdefault(one.suite, []).append(one)
    return {suite: _row(there) for suite, there in by_suite.items()}


def record(name: str, row: Row, directory: Path = RECORDS) -> None:
    """Keep a row until the table is written, in place of an earlier one of this name."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.json").write_text(json.dumps(row, indent=1) + "\n")


def recorded(directory: Path = RECORDS) -> list[Row]:
    """Give the rows that were kept."""
    return [json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))]


def write(page: Path, rows: Iterable[Row]) -> None:
    """Put rows into the table between the marks of a page. Raises ValueError if the page has no such marks."""
    text = page.read_text()
    if not (between := _BETWEEN.search(text)):
        raise ValueError(f"{page} has no place for the table: {BEGIN} ... {END}")
    merged = {_key(one): one for one in [*parse(between[0]), *rows]}
    table = markdown(sorted(merged.values(), key=_order))
    page.write_text(text[: between.start()] + table + text[between.end() :])


def markdown(rows: Iterable[Row]) -> str:
    """Write the table."""
    lines = (COLUMNS, ["---"] * len(COLUMNS), *([one[column] for column in COLUMNS] for one in rows))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def parse(table: str) -> list[Row]:
    """Read what markdown() wrote."""
    lines = [
        [cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.splitlines() if "|" in line
    ]
    return [dict(zip(lines[0], cells, strict=True)) for cells in lines[2:]]


def _key(row: Row) -> tuple[str, ...]:
    return row["distribution"], row["architecture"], row["what was run"]


def _order(row: Row) -> tuple[str, ...]:
    return row["architecture"], row["distribution"], row["kernel"], row["what was run"]


def _row(there: list[Done]) -> Row:
    ran = ", ".join(f"`{plans.title(one.command)}`" for one in there if one.command != plans.SET_UP)
    counted = facts.summary("\n".join(one.log for one in there))
    broken = [f"`{plans.title(one.command)}` failed" for one in there if one.status]
    result = "; ".join([*broken, *([counted] if counted else [])]) or "ok"
    versions = next((one.versions for one in reversed(there) if one.versions), {})
    return row(versions, platform.release().split("-")[0], ran, result)
