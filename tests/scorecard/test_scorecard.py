"""Each row of the scorecard holds: real processes, the real kernel, exact counts."""

from __future__ import annotations

import pytest

from tests.scorecard.comparison import Verdict
from tests.scorecard.row import Row
from tests.scorecard.rows import ROWS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_way_of_querying(verdicts: dict[str, Verdict], row: Row) -> None:
    """As many queries as were sent, for the process that sent them, to whom it sent them; nothing else."""
    assert not verdicts[row.name].problems


def test_rows_have_names_of_their_own() -> None:
    """By these they are known."""
    assert len({row.name for row in ROWS}) == len(ROWS)
