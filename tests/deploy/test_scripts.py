"""The project's own scripts of the shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

PROJECT = Path(__file__).parents[2]
SHELLS = (b"#!/bin/sh", b"#!/usr/bin/env bash")


def test_shellcheck_finds_nothing() -> None:
    """In any file of the repository that begins as a script does."""
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True, cwd=PROJECT)
    files = [PROJECT / name for name in listed.stdout.split("\0") if name]
    scripts = [path for path in files if path.is_file() and path.read_bytes().startswith(SHELLS)]
    assert PROJECT / "deploy/setup" in scripts
    done = subprocess.run(["shellcheck", *scripts], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
