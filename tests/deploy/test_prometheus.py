"""What is given to Prometheus is right by its own tools, and by itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

DEPLOY = Path("deploy/prometheus")


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    return subprocess.run(["promtool", *map(str, words)], check=False, capture_output=True, text=True)


@pytest.mark.parametrize(
    "words",
    [
        ("check", "rules", DEPLOY / "resolvtrace.rules.yml"),
        ("check", "config", "--syntax-only", DEPLOY / "scrape.yml"),
        ("test", "rules", "tests/deploy/rules.test.yml"),
    ],
    ids="{0[0]} {0[1]}".format,
)
def test_promtool_finds_nothing_wrong(words: tuple[str | Path, ...]) -> None:
    """Rules, scrape configuration, and what the alerts say in each case."""
    done = promtool(*words)
    assert done.returncode == 0, done.stdout + done.stderr
