"""docs/forecast.md is a page of the zoo's cases, and none of its forecasts was wrong."""

from __future__ import annotations

import re
from pathlib import Path

from tests.zoo.test_resolvers import ROUNDS

PAGE = (Path(__file__).parents[2] / "docs/forecast.md").read_text()
ROWS = re.findall(r"^\| (\w+-[\w-]+) \| .* \| ([\w ]+) \|$", PAGE, re.MULTILINE)


def test_every_row_is_of_a_case() -> None:
    """One that has another name by now has to be tried again: `make forecast`."""
    cases = {f"{group}-{case.name}" for group, cases in ROUNDS.items() for case in cases}
    assert ROWS
    assert {name for name, _ in ROWS} <= cases


def test_the_numbers_are_those_of_the_rows() -> None:
    """And no forecast came out wrong."""
    (numbers,) = re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", PAGE, re.MULTILINE)
    outcomes = [outcome for _, outcome in ROWS]
    assert [int(number) for number in numbers] == [
        outcomes.count(outcome) for outcome in ("right", "unknown", "wrong", "not tried")
    ]
    assert "wrong" not in outcomes
