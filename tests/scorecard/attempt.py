"""One row on its way: its program started where it belongs, and waited for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from exporter.demo.lab import LabError, Program
from tests.scorecard.network import Network
from tests.scorecard.row import Filled, Row
from tests.support.building import build
from tests.support.lab_cgroups import Cgroups

_DONE_SECONDS = 20.0


class Attempt:
    """One row, its program, whose pids are meant, and why it failed if it did.

    What fails is a problem of this row alone: the others go on.
    """

    def __init__(self, row: Row, fill: Filled) -> None:
        self.row = row
        self.fill = fill
        self.problem = ""
        self.pid = self.other_pid = 0
        self._program: Program | None = None

    def start(self, on: Network, cgroups: Cgroups) -> None:
        """Start the program; one whose sockets are to be older than the daemon waits when they are open."""
        self._try(lambda: self._start(on, cgroups))

    def go_on(self) -> None:
        """Let a program send queries that has waited for the daemon."""
        self._try(self._wake)

    def finish(self, on: Network) -> None:
        """Wait until all is sent, find out who sent, and whether it was done as the row says."""
        self._try(lambda: self._finish(on))

    def executable(self) -> Path:
        """Give the compiled program."""
        return build(self.row.argv[0], *self.row.flags)

    def _try(self, step: Callable[[], None]) -> None:
        if self.problem:
            return
        try:
            step()
        except (LabError, OSError, TimeoutError, subprocess.CalledProcessError) as error:
            self.problem = f"the program failed: {error}"

    def _start(self, on: Network, cgroups: Cgroups) -> None:
        place = self.row.place
        argv = [*map(self.fill, place.command), *self._command()]
        if place.cgroup:
            argv = cgroups.within(place.cgroup, argv)
        world = on.far if place.world == "far" else on.home
        self._program = world.start(argv, {"NAME": self.fill("{name}"), "STAY": "1"})
        if self.row.early:
            self._program.wait_for_line("ready")

    def _command(self) -> list[str]:
        name, *words = self.row.argv
        if name.endswith(".py"):
            return [sys.executable, "-I", str(Path(__file__).with_name(name)), *map(self.fill, words)]
        program = self.executable()
        if any("{directory}" in word for word in self.row.place.command):
            program = self._furnish(program)
        return [str(program), *map(self.fill, words)]

    def _furnish(self, program: Path) -> Path:
        """Make the row's directory, with a resolv.conf; gives the program, as seen from there."""
        directory = Path(self.fill("{directory}"))
        (directory / "etc").mkdir(parents=True)
        (directory / "etc/resolv.conf").write_text(f"nameserver {self.row.place.listed}\n")
        if not self.row.place.is_root:
            return program
        shutil.copy(program, directory)
        return Path("/", program.name)

    def _finish(self, on: Network) -> None:
        self._started.wait_for_line("done", _DONE_SECONDS)
        self.pid = only_child(self._started.pid) if self.row.place.forks else self._started.pid
        if self.row.other_is == "stub":
            self.other_pid = on.stub.pid
        elif self.row.other is not None:
            self.other_pid = int(self._started.wait_for_line("child").split()[1])
        if self.row.proof:
            self.problem = self.row.proof(self._started, self.pid, on.home.pid)

    def _wake(self) -> None:
        self._started.write_line()

    @property
    def _started(self) -> Program:
        if not self._program:
            raise LabError("it was not started")
        return self._program


def only_child(pid: int) -> int:
    """Give the pid of a process's only child, as the initial pid namespace has it."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)
