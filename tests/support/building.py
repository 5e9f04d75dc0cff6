"""Compiles the C programs of ``tests/programs`` when they are needed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PROGRAMS = Path(__file__).parents[1] / "programs"
BUILT = Path(__file__).parents[1] / ".build"


def build(name: str, *flags: str, programs: Path = PROGRAMS) -> Path:
    """Return the executable made of ``<name>.c`` in ``programs``, compiled with ``flags`` unless it is up to date.

    Each set of flags (``-lresolv``, ``-pthread``, ``-m32``, ``-static``) has an executable of its own.
    Raises subprocess.CalledProcessError if the compiler refuses; its message is on stderr.
    """
    source = programs / f"{name}.c"
    program = BUILT / "".join([name, *flags]).replace("/", "_")
    changed = max(path.stat().st_mtime for path in (source, *programs.glob("*.h")))
    if program.exists() and program.stat().st_mtime > changed:
        return program
    BUILT.mkdir(exist_ok=True)
    # Renamed into place, so that test runs side by side never start a half-written program.
    fresh = program.with_name(f"{program.name}.{os.getpid()}")
    subprocess.run(["cc", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-o", fresh, source, *flags], check=True)
    return fresh.replace(program)
