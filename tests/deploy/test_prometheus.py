"""What is given to Prometheus is right by its own tools, and by itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest

from exporter.prometheus import metrics
from tests.support.samples import full, snapshot
from tracer.report.snapshot import Snapshot

FILES = sorted(Path("deploy/prometheus").iterdir())
RULES = [file for file in FILES if file.name.endswith(".rules.yml")]
CONFIGURATIONS = [file for file in FILES if file not in RULES]


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    return subprocess.run(["promtool", *map(str, words)], check=False, capture_output=True, text=True)


def test_the_configuration_that_takes_over_from_shards_is_one(tmp_path: Path) -> None:
    """The page on fleets shows it."""
    _, _, rest = Path("docs/fleet.md").read_text().partition("```yaml\n")
    shown = tmp_path / "prometheus.yml"
    shown.write_text(rest.partition("```")[0])
    done = promtool("check", "config", "--syntax-only", shown)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "words",
    [
        *(("check", "rules", file) for file in RULES),
        *(("check", "config", "--syntax-only", file) for file in CONFIGURATIONS),
        ("test", "rules", "tests/deploy/rules.test.yml"),
    ],
    ids="{0[0]} {0[1]}".format,
)
def test_promtool_finds_nothing_wrong(words: tuple[str | Path, ...]) -> None:
    """Rules, scrape configuration, and what the alerts say in each case."""
    done = promtool(*words)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("value", [full(), snapshot()], ids=["full", "empty"])
def test_promtool_has_nothing_to_say_of_the_metrics(value: Snapshot) -> None:
    """Prometheus' own linter accepts every name, type and help text."""
    text = generate_latest(metrics.registry(lambda: value)).decode()
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
