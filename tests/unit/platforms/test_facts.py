"""What runs of pytest come to, from what they print."""

from __future__ import annotations

import pytest

from tests.platforms import facts

TWO_RUNS = """\
tests/unit/test_a.py ....                                              [100%]
=================== 1690 passed, 2 skipped in 401.32s (0:06:41) ===================
.venv/bin/python -m pytest -m 'alone and not slow and not vm'
=========== 1 failed, 18 passed, 1700 deselected, 1 error in 61.02s (0:01:01) ===========
"""
QUIET = "........\n73 passed in 20.11s\n"


def test_counts_of_runs_are_added_up() -> None:
    """What was deselected ran nowhere, and is left out."""
    assert facts.summary(TWO_RUNS) == "1,708 passed, 1 failed, 1 errors, 2 skipped"


def test_closing_lines_are_given_as_they_are() -> None:
    """Whoever reads a log for them finds them again."""
    closing = [line for line in TWO_RUNS.splitlines() if line.startswith("==")]
    assert facts.closing_lines(TWO_RUNS) == closing
    assert facts.closing_lines(QUIET) == ["73 passed in 20.11s"]


@pytest.mark.parametrize("log", ["", "All checks passed!\n", "the flag was up 3 passed in 4 s\n"])
def test_a_log_without_tests_has_no_summary(log: str) -> None:
    """Words that only look alike do not count."""
    assert (facts.summary(log), facts.closing_lines(log)) == ("", [])
