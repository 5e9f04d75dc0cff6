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
REPEATED = """\
_______________________ ERROR at teardown of test_d _______________________
FAILED tests/kernel/test_a.py::test_b[reads - of another] - AssertionError: no
FAILED tests/kernel/test_a.py::test_c
ERROR tests/kernel/test_a.py::test_d - TimeoutError
=================== 2 failed, 1690 passed, 1 error in 401.32s (0:06:41) ===================
.venv/bin/python -m pytest -m 'alone and not slow and not vm'
FAILED tests/kernel/test_e.py::test_f - AssertionError
=========== 1 failed, 18 passed, 1700 deselected in 61.02s (0:01:01) ===========
run-last-failure: rerun previous 4 failures (skipped 90 files)
FAILED tests/kernel/test_a.py::test_c
========================= 1 failed, 3 passed in 43.17s =========================
"""
QUIET = "........\n73 passed in 20.11s\n"


def test_counts_of_runs_are_added_up() -> None:
    """What was deselected ran nowhere, and is left out."""
    assert facts.summary(TWO_RUNS) == "1,708 passed, 1 failed, 1 errors, 2 skipped"


def test_a_test_that_is_repeated_counts_once() -> None:
    """By its last outcome. Of the 1,711 tests one passed, and then its teardown failed."""
    assert facts.summary(REPEATED) == "1,710 passed, 1 failed"


def test_a_test_that_fails_twice_over_is_one_that_passes_alone() -> None:
    """In itself, and in its teardown."""
    twice = REPEATED.replace("ERROR tests/kernel/test_a.py::test_d", "ERROR tests/kernel/test_a.py::test_c")
    assert facts.summary(twice) == "1,711 passed, 1 failed"


def test_other_tests_than_those_that_failed_are_added() -> None:
    """A command of its own, after a repeated run: its tests are others."""
    assert facts.summary(REPEATED + QUIET) == "1,783 passed, 1 failed"


def test_closing_lines_are_given_as_they_are() -> None:
    """Whoever reads a log for them finds them again."""
    closing = [line for line in TWO_RUNS.splitlines() if line.startswith("==")]
    assert facts.closing_lines(TWO_RUNS) == closing
    assert facts.closing_lines(QUIET) == ["73 passed in 20.11s"]


@pytest.mark.parametrize("log", ["", "All checks passed!\n", "the flag was up 3 passed in 4 s\n"])
def test_a_log_without_tests_has_no_summary(log: str) -> None:
    """Words that only look alike do not count."""
    assert (facts.summary(log), facts.closing_lines(log)) == ("", [])
