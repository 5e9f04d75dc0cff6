"""What is installed beside the project: each package at one version, by its hash, under a licence that is listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
RUN = "requirements.txt"
BUILD = "requirements-build.txt"
LOCKS = [RUN, BUILD, "requirements-dev.txt", "requirements-supply.txt"]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;]+)[^\n]*\\\n((?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    """Return the packages of a list, and the version of each that has a hash."""
    return {name: version for name, version, _ in _PIN.findall((TOP / "deploy" / name).read_text())}


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_has_one_version_and_a_hash(name: str) -> None:
    """And nothing else stands in the list: no registry, no option, no path of a machine."""
    text = _PIN.sub("", (TOP / "deploy" / name).read_text())
    assert pins(name)
    assert [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")] == []
    assert not re.search(r"://|/tmp|/home", text)


def test_the_tests_run_with_what_is_run() -> None:
    """A version that only the tests have proves nothing."""
    assert pins(RUN).items() <= pins("requirements-dev.txt").items()


def test_what_only_builds_is_not_run() -> None:
    """Nothing of the build goes into the package or the image; and the tests have the same versions."""
    assert not pins(BUILD).keys() & pins(RUN).keys()
    tests = pins("requirements-dev.txt")
    assert {name: tests.get(name, version) for name, version in pins(BUILD).items()} == pins(BUILD)


def test_what_the_project_asks_for_is_pinned() -> None:
    """A dependency that was added to pyproject.toml and not locked."""
    text = (TOP / "pyproject.toml").read_text()
    asked = {name.lower().replace("_", "-") for name in re.findall(r'^[^#]*"([A-Za-z0-9_-]+)>=', text, re.MULTILINE)}
    assert asked <= {name for lock in LOCKS for name in pins(lock)}


def test_every_package_that_runs_has_its_licence_listed() -> None:
    """In docs/licences.md, and none that the project no longer needs."""
    table = re.findall(r"^\| ([a-z0-9-]+) \| [A-Z][^|]+ \|", (TOP / "docs" / "licences.md").read_text(), re.MULTILINE)
    assert sorted(table) == sorted(pins(RUN))
