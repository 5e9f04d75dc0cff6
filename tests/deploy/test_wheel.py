"""The wheel: one package in site-packages with the whole tree inside, which runs and goes again without a trace."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tracer.version import VERSION

PROJECT = Path(__file__).parents[2]
TREE = ("bpf", "exporter", "tracer")
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
BUILD = (*PIP, "wheel", "--no-deps", "--no-build-isolation")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it, with the pinned build tools of .venv."""
    directory = tmp_path_factory.mktemp("wheel")
    subprocess.run([*BUILD, "--wheel-dir", directory, PROJECT], check=True)
    (built,) = directory.iterdir()
    return built


@pytest.fixture(scope="module")
def contents(wheel: Path) -> set[str]:
    """Name the files in it."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_it_has_the_programs_version(wheel: Path) -> None:
    """And runs with every Python from the oldest on: nothing in it is compiled."""
    assert wheel.name == f"resolvtrace-{VERSION}-py3-none-any.whl"


def test_site_packages_gets_one_package(contents: set[str]) -> None:
    """No ``tracer`` or ``exporter`` beside it, which other projects have too."""
    assert {name.split("/")[0] for name in contents} == {
        "resolvtrace",
        f"resolvtrace-{VERSION}.dist-info",
        f"resolvtrace-{VERSION}.data",
    }


def test_every_file_of_the_tree_is_in_it(contents: set[str]) -> None:
    """The probes' C too; the manual lies where man looks for it."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *TREE]
    tree = subprocess.run(words, check=True, capture_output=True, text=True, cwd=PROJECT).stdout.split()
    present = {f"resolvtrace/{name}" for name in tree if (PROJECT / name).exists()}
    assert present
    assert present <= contents
    data = f"resolvtrace-{VERSION}.data/data/share/man"
    assert {f"{data}/man1/resolvtrace.1", f"{data}/man5/resolvtrace.toml.5"} <= contents


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """Make a virtual environment with the libraries of the tests, without bcc and with nothing of the checkout."""
    place = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    (site,) = place.glob("lib/python*/site-packages")
    libraries = tmp_path / "libraries"
    link_libraries(libraries)
    (site / "libraries.pth").write_text(f"{libraries}\n")
    return place


def link_libraries(libraries: Path) -> None:
    """Link what is installed in .venv, or by the distribution, which has bcc too: pip leaves out what that has already.

    The .pth files in it, the checkout's among them, are not read there.
    """
    libraries.mkdir()
    for place in map(Path, sys.path):
        if place.name in {"site-packages", "dist-packages"} and place.is_dir():
            for entry in place.iterdir():
                if entry.name != "bcc" and not (libraries / entry.name).exists():
                    (libraries / entry.name).symlink_to(entry)


def files(environment: Path) -> set[Path]:
    """Return what lies in an environment; pip leaves share/man behind, as directories."""
    return {path for path in environment.rglob("*") if not path.is_dir() or "resolvtrace" in path.name}


def test_it_runs_and_is_uninstalled_without_a_trace(wheel: Path, environment: Path, tmp_path: Path) -> None:
    """From anywhere, past another project's ``exporter``; what Python compiled meanwhile goes too."""
    pip = [*PIP, "--python", str(environment / "bin/python")]
    before = files(environment)
    subprocess.run([*pip, "install", "--no-deps", wheel], check=True)
    (tmp_path / "exporter.py").write_text("raise SystemExit('not this one')")
    for command in (["bin/resolvtrace"], ["bin/python", "-m", "resolvtrace"]):
        words = [*command, "daemon", "--check-config", "--config", "/dev/null"]
        words[0] = str(environment / words[0])
        done = subprocess.run(words, check=False, capture_output=True, text=True, cwd=tmp_path, env={})
        assert done.returncode == 0, done.stderr
    assert list(environment.glob("lib/python*/site-packages/resolvtrace/exporter/__pycache__/*.pyc"))
    subprocess.run([*pip, "uninstall", "--yes", "resolvtrace"], check=True)
    assert files(environment) == before


def test_without_bcc_one_line_says_what_to_install(wheel: Path, environment: Path, tmp_path: Path) -> None:
    """By the names that the distributions give it: the package index has another project called bcc."""
    subprocess.run([*PIP, "--python", environment / "bin/python", "install", "--no-deps", wheel], check=True)
    words = [str(environment / "bin/resolvtrace"), "daemon", "--web.listen-address", "127.0.0.1:0"]
    words += ["--socket", str(tmp_path / "socket"), "--state-dir", str(tmp_path)]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    for name in ("apt install python3-bpfcc", "Ubuntu", "dnf install python3-bcc", "zypper install python3-bcc"):
        assert name in line
