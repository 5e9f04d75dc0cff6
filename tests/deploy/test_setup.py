"""Set-up on machines that lack something: one line that says what to do, and nothing half-made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SECONDS = 300
NAMESPACE = ("unshare", "--mount", "--propagation", "private")
OFFLINE = (*NAMESPACE, "--net")
NEEDED = ("bash", "sh", "cat", "dirname", "grep", "head", "id", "mkdir", "rm", "sed", "stat", "tail")
"""The programs of a small system, without packages."""
NOTHING_INSTALLED = "#!/bin/sh\nexit 1\n"
"""A dpkg-query that knows no package."""
EMPTY = """\
mount -t tmpfs none /var/lib/apt/lists
mount -t tmpfs none /var/lib/dpkg
mkdir /var/lib/dpkg/updates
touch /var/lib/dpkg/status"""
"""Lets apt know no package either."""
ALL_INSTALLED = "#!/bin/sh\necho ii\n"
PYTHON = """\
#!/bin/sh
for last; do :; done
case "$*" in
--version) echo Python {version} ;;
*version_info*) {recent} ;;
*"-m venv"*) mkdir -p "$last/bin"; printf '#!/bin/sh\\n' >"$last/bin/python"; chmod 755 "$last/bin/python" ;;
esac
"""


class Checkout:
    """A copy of what set-up takes of this checkout, and a PATH of the test's own before the machine's."""

    def __init__(self, directory: Path) -> None:
        self.place = directory / "checkout"
        self.programs = directory / "programs"
        self.programs.mkdir()
        (self.place / "deploy").mkdir(parents=True)
        for name in ("pyproject.toml", "deploy/setup", "deploy/requirements.txt", "deploy/requirements-build.txt"):
            shutil.copy(PROJECT / name, self.place / name)

    def program(self, name: str, text: str) -> Path:
        """Put a script on the PATH."""
        path = self.programs / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def set_up(
        self, *before: str, path: str = os.environ["PATH"], what: str = "run"
    ) -> subprocess.CompletedProcess[str]:
        """Run `deploy/setup run`, or another part of it, behind another command, with no configuration of pip's."""
        environment = {
            "PATH": f"{self.programs}:{path}",
            "LANG": "C.UTF-8",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_RETRIES": "0",
        }
        command = [*before, str(self.place / "deploy/setup"), what]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS, env=environment)

    def refusal(self, *before: str, path: str = os.environ["PATH"], what: str = "run") -> str:
        """Run it; gives the one line that it ends with, when nothing is left behind."""
        done = self.set_up(*before, path=path, what=what)
        assert done.returncode == 1, done.stdout
        (line,) = done.stderr.splitlines()
        assert not (self.place / ".venv").exists()
        return line


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Give the copy."""
    return Checkout(tmp_path)


def after(script: str, *words: str | Path) -> tuple[str, ...]:
    """Give the command that goes on behind a script of sh, whose $1 and so on are the words."""
    shifted = f'{script}; shift {len(words)}; exec "$@"'
    return ("sh", "-ec", shifted, "sh", *map(str, words))


def test_a_distribution_without_apt(checkout: Checkout) -> None:
    """It names all that is missing, not by Debian's names for packages."""
    for name in NEEDED:
        (checkout.programs / name).symlink_to(shutil.which(name) or "")
    line = checkout.refusal(path="")
    assert line.startswith("setup: this is not Debian, so nothing is installed; missing: dnsmasq, ip, nsenter, ")
    assert "install them with this system's own packages" in line


def test_packages_without_apt_get(checkout: Checkout) -> None:
    """As in an image from which it was removed."""
    for name in NEEDED:
        (checkout.programs / name).symlink_to(shutil.which(name) or "")
    checkout.program("dpkg-query", NOTHING_INSTALLED)
    line = checkout.refusal(path="")
    assert line.startswith("setup: these packages are missing, and apt-get too: python3 python3-venv ")


def test_no_network_for_packages(checkout: Checkout) -> None:
    """Of all that apt-get says, the first error."""
    checkout.program("dpkg-query", NOTHING_INSTALLED)
    line = checkout.refusal(*OFFLINE, *after(EMPTY))
    assert line.startswith("setup: apt-get cannot install them: E: ")
    assert line.endswith("check the network and apt's sources, then run this again")


def test_no_network_for_libraries(checkout: Checkout) -> None:
    """The environment that was begun is taken away."""
    checkout.program("dpkg-query", ALL_INSTALLED)
    line = checkout.refusal(*OFFLINE)
    assert line.startswith("setup: pip failed: ERROR: ")
    assert line.endswith("check the network and pip's configuration, then run this again")


def test_a_python_without_venv(checkout: Checkout) -> None:
    """Debian splits it from Python; others may too."""
    checkout.program("dpkg-query", ALL_INSTALLED)
    ensurepip = Path(sysconfig.get_path("stdlib"), "ensurepip")
    line = checkout.refusal(*NAMESPACE, *after('mount -t tmpfs none "$1"', ensurepip))
    assert line.startswith("setup: /usr/bin/python3 cannot make virtual environments: ")
    assert "python3-venv" in line


def test_a_python_that_is_too_old(checkout: Checkout) -> None:
    """The version that it has is named, and the one that it takes."""
    checkout.program("dpkg-query", ALL_INSTALLED)
    old = checkout.program("old", PYTHON.format(version="3.9.2", recent="exit 1"))
    line = checkout.refusal(*NAMESPACE, *after('mount --bind "$1" /usr/bin/python3', old))
    assert line == "setup: Python 3.9.2 is too old: /usr/bin/python3 must be Python 3.11 or newer"


@pytest.mark.parametrize("what", ["run", "test", "unit", "supply", "deb"])
def test_a_checkout_that_cannot_be_written_to(checkout: Checkout, what: str) -> None:
    """Root or not."""
    read_only = after('mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"', checkout.place)
    line = checkout.refusal(*NAMESPACE, *read_only, what=what)
    assert line == f"setup: {checkout.place} cannot be written to by root: clone the project to a place where it can"


def test_a_checkout_that_others_cannot_enter(checkout: Checkout) -> None:
    """It works for root, and says that it works for nobody else."""
    checkout.program("dpkg-query", ALL_INSTALLED)
    new = checkout.program("new", PYTHON.format(version="3.13.5", recent="exit 0"))
    checkout.place.chmod(0o700)
    done = checkout.set_up(*NAMESPACE, *after('mount --bind "$1" /usr/bin/python3', new))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "setup: making .venv",
        f"setup: only root can enter {checkout.place}: make install puts resolvtrace where all users can run it",
    ]
