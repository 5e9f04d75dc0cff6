"""The table of the README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.platforms import plans, table
from tests.platforms.keeper import Done
from tracer.doctor.kernel import TRIED

VERSIONS = {"distribution": "Debian 13", "BCC": "0.31.0", "LLVM": "19", "Python": "3.13.5", "architecture": "amd64"}
PASSED = "==== 1708 passed in 61.02s (0:01:01) ====\n"
PAGE = f"above\n{table.BEGIN}\n{table.END}\nbelow\n"


def done(command: str, status: int = 0, log: str = "") -> Done:
    """Give a command that has exited in the root of trixie."""
    return Done("trixie", command, status, 1.0, log, VERSIONS)


def page_table() -> str:
    """Give the table of README.md."""
    return Path("README.md").read_text().split(table.BEGIN)[1].split(table.END)[0]


def row_of(*commands: Done) -> table.Row:
    """Give the row of a root in which these have exited."""
    return table.rows(commands)["trixie"]


def test_a_row_says_what_ran_and_with_what() -> None:
    """Set-up that all need is not shown; a program of several lines goes by its first comment."""
    row = row_of(done("make demo"), done(plans.SET_UP), done("nice make lint"), done("# a package\ntrue", log=PASSED))
    assert {name: row[name] for name in VERSIONS} == VERSIONS
    assert row["what was run"] == "`make demo`, `make lint`, `a package`"
    assert row["result"] == "1,708 passed"


def test_a_failure_is_in_the_row() -> None:
    """With the command that failed, before what its tests came to."""
    row = row_of(done("make demo"), done("make test", 2, "==== 1 failed, 3 passed in 2.00s ====\n"))
    assert row["result"] == "`make test` failed; 3 passed, 1 failed"


def test_what_a_root_is_made_of_is_known_after_a_keeper_that_died() -> None:
    """Its last command has no versions, those before had."""
    assert row_of(done("make demo"), Done("trixie", "make test", 1, 1.0, "", {}))["BCC"] == "0.31.0"


def test_rows_are_recorded_and_put_into_the_page(tmp_path: Path) -> None:
    """Nothing else of the page changes, however often they are."""
    page, row = tmp_path / "page.md", row_of(done("make test", log=PASSED))
    page.write_text(PAGE)
    table.record("trixie", row, tmp_path)
    for _ in range(2):
        table.write(page, table.recorded(tmp_path))
        assert page.read_text() == PAGE.replace("\n<!-- to", f"\n{table.markdown([row])}<!-- to")


def test_a_row_replaces_that_of_an_earlier_run(tmp_path: Path) -> None:
    """Of the same distribution, architecture and commands; others stay."""
    page, row = tmp_path / "page.md", row_of(done("make test"))
    other = {**row, "what was run": "`make demo`"}
    page.write_text(PAGE)
    table.write(page, [other, {**row, "BCC": "0.30.0"}])
    table.write(page, [row])
    assert table.parse(page.read_text()) == [other, row]


def test_a_page_without_the_marks_is_left_alone(tmp_path: Path) -> None:
    """It is said which are missing."""
    page = tmp_path / "page.md"
    page.write_text("text\n")
    with pytest.raises(ValueError, match="make platforms writes from here"):
        table.write(page, [])
    assert page.read_text() == "text\n"


def test_kernels_are_claimed_as_they_were_tried() -> None:
    """By doctor, the README and the manual alike; none is in the table that they do not name."""
    page = " ".join(Path("README.md").read_text().split())
    tried = {found[0] for row in table.parse(page_table()) if (found := re.match(r"\d+\.\d+", row["kernel"]))}
    assert tried <= set(re.findall(r"\d+\.\d+", TRIED))
    assert f"Tested on {TRIED}, on x86-64" in page
    assert f"Tested on Linux {TRIED}, on x86-64" in Path("deploy/man/resolvtrace.1").read_text()


def test_the_readme_has_the_place() -> None:
    """Else an hour of `make platforms` would be for nothing."""
    assert Path("README.md").read_text().count(table.BEGIN) == 1
