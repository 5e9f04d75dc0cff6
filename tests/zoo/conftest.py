"""Writes docs/forecast.md, of what every round has shown, if `--forecast FILE` is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.zoo import forecast_page
from tests.zoo.observe import Observed

Seen = dict[str, dict[str, Observed] | Exception]
SEEN = pytest.StashKey[Seen]()
WATCHED_SECONDS = 40.0
"""Before the change, for the page: who queries for half a minute without a look at the file is known to stay."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the option."""
    parser.addoption("--forecast", metavar="FILE", type=Path, help="watch longer before the change; write the page")


def pytest_configure(config: pytest.Config) -> None:
    """Begin with nothing seen."""
    config.stash[SEEN] = {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write the page, and its numbers on the terminal."""
    if page := config.getoption("--forecast", None):
        seen = {name: cases for name, cases in config.stash[SEEN].items() if not isinstance(cases, Exception)}
        found = forecast_page.results(seen)
        page.write_text(forecast_page.markdown(found, WATCHED_SECONDS))
        terminalreporter.write_line(forecast_page.numbers(found))
