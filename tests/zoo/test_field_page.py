"""docs/field.md says what the cases of the zoo demand, and what they demand is what resolvtrace says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.zoo.test_resolvers import ROUNDS
from tracer.report.reloads import RELOADS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/field.md").read_text()
CASES = {f"{name}-{case.name}": case for name, cases in ROUNDS.items() for case in cases}
ROWS = {
    cells[-1]: cells
    for line in PAGE.splitlines()
    if (cells := [cell.strip() for cell in line.strip("| ").split(" | ")])[-1] in CASES
}


@pytest.mark.parametrize("name", ROWS)
def test_a_report(name: str) -> None:
    """State, reason and advice of a row pass for the case that it names; of one that recovers, those until then."""
    _, _, _, states, says, _ = ROWS[name]
    reason, _, advice = says.partition(" — ")
    state, _, then = states.partition(", then ")
    case = CASES[name]
    assert then in {"", case.expected.state}
    expected = case.meanwhile if then else case.expected
    assert expected
    assert state == expected.state
    assert re.search(expected.reason, reason), expected.reason
    assert re.search(expected.advice, advice), expected.advice


def test_every_row_names_a_case() -> None:
    """No row of the first table is left out."""
    last_words = [line.rstrip(" |").rpartition(" ")[2] for line in PAGE.splitlines()]
    rows = [word for word in last_words if word.startswith(tuple(f"{name}-" for name in ROUNDS))]
    assert len(rows) == len(ROWS) > 0


def test_where_a_reload_is_enough() -> None:
    """The page has the programs, versions and dates of the table that the advice goes by."""
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in PAGE.splitlines()]
    shown = {row[0]: (row[1].partition(",")[0], row[3]) for row in rows if row[0] in RELOADS}
    assert shown == {program: (one.version, one.tried) for program, one in RELOADS.items()}


def test_programs_that_play_a_report_exist() -> None:
    """The second table names programs of tests/field."""
    names = set(re.findall(r"\| `(\w+)` \|$", PAGE, re.MULTILINE))
    assert names
    assert names <= {path.stem for path in (ROOT / "tests/field/programs").glob("*.py")}
