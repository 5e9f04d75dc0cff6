"""Who is in a world when its resolv.conf changes: programs by name, and the process of each that matters."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.demo.lab import OLD, Program
from tests.field.stage import Row, Stage


@dataclass(frozen=True)
class ProgramSpec:
    """A program, its arguments after the name that it looks up, and whom it queries before the change.

    ``queries`` is how often it must have done so by then. ``by_child``: a child of the program does it.
    """

    script: str
    arguments: tuple[str, ...] = ()
    nameserver: str = OLD
    queries: int = 2
    by_child: bool = False
    within: tuple[str, ...] = ()


class ProgramSet:
    """Programs that go through a change together."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._specs: dict[str, ProgramSpec] = {}
        self.started: dict[str, Program] = {}
        self.pids: dict[str, int] = {}
        self.before: dict[str, Row] = {}
        """The row of each when all had begun."""
        self.after: dict[str, Row] = {}
        """Rows from just after the change."""

    def start(self, specs: dict[str, ProgramSpec]) -> None:
        """Start more programs, and wait until each queries whom it should."""
        for name, spec in specs.items():
            program = self.stage.run(spec.script, f"{name}.hat.com", *spec.arguments, within=spec.within)
            self.started[name] = program
        for name, spec in specs.items():
            program = self.started[name]
            self.pids[name] = self.stage.child(program, spec.nameserver) if spec.by_child else program.pid
            self.before[name] = self.stage.wait_to_query(
                self.pids[name], spec.nameserver, spec.queries, since_start=True
            )
        self._specs |= specs

    def await_look(self, name: str) -> None:
        """Wait until a process has just looked at the file again."""
        pid = self.pids[name]
        row = self.stage.daemon.row(pid)
        assert row is not None
        self.stage.wait(pid, lambda now: bool(now["last_read"] != row["last_read"]), f"{name} to look at the file")

    def querying(self, name: str, address: str | None = None, more: int = 3) -> Row:
        """Give the row of a process after it has queried a nameserver some times more."""
        return self.stage.wait_to_query(self.pids[name], address or self._specs[name].nameserver, more)

    def when(self, name: str, state: str) -> Row:
        """Give the row of a process once it is in a state."""
        return self.stage.wait_for(self.pids[name], state)
