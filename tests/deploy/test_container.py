"""The Containerfile, as far as it can be told without an engine to build it with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tracer.version import VERSION

FILE = Path("deploy/container/Containerfile")
HADOLINT = Path(sys.executable).with_name("hadolint")


def test_hadolint_finds_nothing_wrong() -> None:
    """Neither in the file nor in the shell's lines in it."""
    done = subprocess.run([HADOLINT, FILE], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def copied() -> list[str]:
    """Give what the file copies from the checkout."""
    lines = [line.split() for line in FILE.read_text().splitlines()]
    return [source for line in lines if line[:1] == ["COPY"] for source in line[1:-1]]


def test_what_is_copied_is_enough(tmp_path: Path) -> None:
    """A program that is made of it alone starts, finds its probes, and has the set-up that the image runs."""
    for source in copied():
        into = tmp_path / source
        shutil.copytree(source, into) if Path(source).is_dir() else shutil.copy(source, into)
    script = (
        "from exporter.cli import main; from tracer.kernel.programs import SOURCE; print(SOURCE); main(['--version'])"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split() == [str(tmp_path / "bpf"), "resolvtrace", VERSION]
    assert {file.name for file in (tmp_path / "bpf").iterdir()} >= {"maps.h", "queries.c"}
    assert os.access(tmp_path / "deploy" / "setup", os.X_OK)
    assert (tmp_path / "pyproject.toml").exists()


def test_the_image_has_this_version() -> None:
    """As the manifests ask for it."""
    assert f"-t resolvtrace:{VERSION} " in FILE.read_text()
