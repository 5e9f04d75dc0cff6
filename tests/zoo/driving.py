"""Those who keep a server at work, its clients, which belong to no case; and whoever tells it to reload."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from exporter.demo.lab import Program, World
from tests.zoo.case import Cure
from tests.zoo.observe import descendants

PROGRAMS = Path(__file__).parent / "programs"
SECONDS = 0.2
"""Between one request and the next."""


def drive(world: World, script: str, *arguments: str, seconds: float = SECONDS) -> Program:
    """Start ``programs/<script>.py`` with the arguments, of which the pause is the last."""
    return world.start([sys.executable, "-I", PROGRAMS / f"{script}.py", *arguments, str(seconds)])


def reconfigure(number: signal.Signals, comm: str | None = None) -> Cure:
    """Give the cure of those that take one without a restart: a signal to the program, or to a child of that name."""

    def cure(_world: World, program: Program) -> Program:
        names = {pid: Path(f"/proc/{pid}/comm").read_text().strip() for pid in sorted(descendants(program.pid))}
        os.kill(next(pid for pid, name in names.items() if comm in {None, name}), number)
        return program

    return cure
