"""The Containerfile, as far as it can be checked without building it; test_image.py does that."""

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
    copies = [line[1:-1] for line in lines if line[:1] == ["COPY"]]
    return [source for sources in copies if not sources[0].startswith("--from") for source in sources]


def test_what_is_copied_is_enough(tmp_path: Path) -> None:
    """What `deploy/install files` makes of it, as the image does, starts and finds its probes."""
    source, built = tmp_path / "source", tmp_path / "built"
    for name in copied():
        into = source / name
        into.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(name, into, dirs_exist_ok=True) if Path(name).is_dir() else shutil.copy(name, into)
    (tmp_path / "libraries").mkdir()
    environment = os.environ | {"DESTDIR": str(built), "PREFIX": "/usr/local"}
    words = ["deploy/install", "files", str(tmp_path / "libraries")]
    subprocess.run(words, check=True, env=environment, cwd=source)
    command = built / "usr/local/bin/resolvtrace"
    done = subprocess.run([command, "--version"], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split() == ["resolvtrace", VERSION]
    assert {file.name for file in (built / "usr/local/lib/resolvtrace/bpf").iterdir()} >= {"maps.h", "egress.c"}


def test_nothing_else_is_sent_to_the_engine() -> None:
    """What is not copied is not read: .venv, the history, what tests leave."""
    lines = Path(".containerignore").read_text().splitlines()
    sent = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert "*" in lines
    assert sent == {source.split("/")[0] for source in copied()}
