"""Those who keep a server at work: they stand for its clients, and belong to no case."""

from __future__ import annotations

import sys
from pathlib import Path

from exporter.lab import Program, World

PROGRAMS = Path(__file__).parent / "programs"
SECONDS = 0.2
"""Between one request and the next."""


def drive(world: World, script: str, *arguments: str, seconds: float = SECONDS) -> Program:
    """Start ``programs/<script>.py`` with the arguments, of which the pause is the last."""
    return world.start([sys.executable, "-I", PROGRAMS / f"{script}.py", *arguments, str(seconds)])
