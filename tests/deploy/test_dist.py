"""`make dist`: what a release consists of, all of one version; and what it refuses to release."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.deploy.engine import engine
from tracer.version import VERSION

NAME = f"resolvtrace-{VERSION}"
REPEATED = {"CHANGELOG.md", "deploy/debian/changelog", "deploy/kubernetes/kustomization.yaml", "tracer/version.py"}
"""A changelog names versions, and kustomize takes no variable: `make dist` looks whether these agree."""


def git(*words: str, cwd: Path | None = None) -> str:
    """Run git; gives what it printed."""
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(["git", *who, *words], check=True, capture_output=True, text=True, cwd=cwd).stdout


def test_the_version_stands_in_one_place() -> None:
    """Beside what has to repeat it, and the outputs that tests compare with."""
    named = git("grep", "--fixed-strings", "--name-only", "--word-regexp", VERSION).split()
    here = {name for name in named if not name.startswith(("tests/", "deploy/requirements"))}
    assert here <= REPEATED


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Make a clone with a dated section, ready for a release."""
    place = tmp_path / "clone"
    git("clone", "--quiet", ".", str(place))
    (place / "deploy/dist").write_text(Path("deploy/dist").read_text())
    changelog = place / "CHANGELOG.md"
    undated = re.sub(rf"^## {VERSION}.*\n", "", changelog.read_text(), flags=re.MULTILINE)
    changelog.write_text(f"## {VERSION} - 2026-01-31\n\n{undated}")
    git("commit", "--quiet", "--all", "--message", "release", cwd=place)
    return place


def refused(clone: Path) -> str:
    """Run it where it has something to refuse; gives what it said."""
    done = subprocess.run(["deploy/dist"], check=False, capture_output=True, text=True, cwd=clone, timeout=60)
    assert done.returncode == 1
    assert not (clone / "dist").exists()
    (line,) = done.stderr.splitlines()
    return line


def test_a_release_without_a_date_is_refused(clone: Path) -> None:
    """The changelog's section is not there, or still without its day."""
    changelog = clone / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace(f"## {VERSION} - 2026-01-31", f"## {VERSION}"))
    assert f"CHANGELOG.md has no section '## {VERSION} - YYYY-MM-DD'" in refused(clone)


def test_a_release_of_what_is_not_committed_is_refused(clone: Path) -> None:
    """It would not be in the source archive."""
    (clone / "tracer/engine.py").write_text("")
    assert "changes that are not committed" in refused(clone)


@pytest.mark.parametrize("name", ["deploy/debian/changelog", "deploy/kubernetes/kustomization.yaml"])
def test_a_release_of_two_versions_is_refused(clone: Path, name: str) -> None:
    """And the file that differs is named."""
    path = clone / name
    path.write_text(path.read_text().replace(VERSION, "9.9.9"))
    assert name in refused(clone)


@pytest.mark.image
def test_a_release_is_complete() -> None:
    """Packages, wheel, source, image, bill of materials, of one version, and their sums."""
    with engine() as podman:
        environment = os.environ | {"PODMAN": shlex.join(podman.podman)}
        words = podman.within("make", "--silent", "dist", "SNAPSHOT=yes")
        done = subprocess.run(words, check=False, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        place = Path("dist") / NAME
        (image,) = place.glob(f"{NAME}-image-*.tar.xz")
        assert f"localhost/resolvtrace:{VERSION}" in podman.run("load", "--input", str(image.resolve()))
    files = {path.name for path in place.iterdir()}
    wheel, source, bill = f"{NAME}-py3-none-any.whl", f"{NAME}.tar.gz", f"{NAME}.cdx.json"
    assert files == {f"resolvtrace_{VERSION}_all.deb", wheel, source, image.name, bill, "SHA256SUMS"}
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], check=True, cwd=place)
    assert len((place / "SHA256SUMS").read_text().splitlines()) == len(files) - 1
    with tarfile.open(place / source) as archive:
        assert {name.removeprefix(f"{NAME}/") for name in archive.getnames()} >= set(git("ls-files").split())
    with zipfile.ZipFile(place / wheel) as built:
        assert "resolvtrace/bpf/egress.c" in built.namelist()
    assert json.loads((place / bill).read_text())["metadata"]["component"]["version"] == VERSION
