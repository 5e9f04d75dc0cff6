"""The unit is right by systemd's own tools, and no less hardened than it was."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.feed.server import GROUP
from tracer.kernel.privileges import KEPT, LOADING

UNIT = Path("deploy/systemd/resolvtrace.service")
MOST_EXPOSED = 2.4
"""What `systemd-analyze security` of systemd 252 says of it, from 0 to 10. Lower it with the unit, never raise it."""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Give the unit with a program that is there; where the program lies otherwise is for the installation to say."""
    path = tmp_path / UNIT.name
    path.write_text(re.sub(r"/usr/(bin|lib/resolvtrace)/\S+", sys.executable, UNIT.read_text()))
    return path


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze, which takes no running systemd for this."""
    return subprocess.run(["systemd-analyze", *map(str, words)], check=False, capture_output=True, text=True)


def values(key: str) -> list[str]:
    """Return what the unit sets."""
    found = re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)
    return shlex.split(" ".join(found))


def test_systemd_finds_nothing_wrong(installed: Path) -> None:
    """No directive is unknown or misspelt: systemd would only warn of it, and go on without."""
    done = analyze("verify", "--man=no", installed)
    assert done.returncode == 0
    assert done.stdout + done.stderr == ""


def test_it_is_no_more_exposed_than_it_was(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The score is printed; systemd's own service that loads BPF programs, systemd-nsresourced, has 3.9."""
    done = analyze("security", "--offline=yes", "--no-pager", installed)
    found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    with capsys.disabled():
        sys.stdout.write(f" exposure {found[1]} of 10, at most {MOST_EXPOSED} ")
    assert float(found[1]) <= MOST_EXPOSED


@pytest.mark.parametrize("key", ["CapabilityBoundingSet", "AmbientCapabilities"])
def test_it_has_the_capabilities_that_the_daemon_asks_for_and_no_other(key: str) -> None:
    """CAP_SYS_ADMIN is none of them."""
    assert sorted(values(key)) == sorted([*LOADING, *KEPT])


def test_the_user_is_made_by_the_package() -> None:
    """And the group, which the socket belongs to."""
    assert values("User") == values("Group") == [GROUP]
    assert f"\nu {GROUP} - " in Path("deploy/systemd/resolvtrace.sysusers").read_text()
