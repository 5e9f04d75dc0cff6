"""Runs the rows once, for all tests; prints the table and writes the page if `--scorecard FILE` is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scorecard import table
from tests.scorecard.comparison import Verdict, compare
from tests.scorecard.rows import ROWS
from tests.scorecard.running import run

_PRINTED = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the option."""
    parser.addoption("--scorecard", metavar="FILE", type=Path, help="print the scorecard, and write it to this file")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table."""
    if printed := config.stash.get(_PRINTED, ""):
        terminalreporter.write_line(printed)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> dict[str, Verdict]:
    """Run all rows, and give what is said of each, by its name."""
    outcome = run(ROWS, tmp_path_factory.mktemp("scorecard"))
    verdicts = {row.name: compare(row, outcome.rows[row.name]) for row in ROWS}
    if page := pytestconfig.getoption("--scorecard", None):
        page.write_text(table.markdown(list(verdicts.values()), outcome.bcc))
        pytestconfig.stash[_PRINTED] = table.table(verdicts.values())
    return verdicts
