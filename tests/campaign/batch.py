"""Many histories, played side by side against one daemon."""

from __future__ import annotations

import resource
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from exporter.demo.lab import wait_until
from exporter.feed.client import fetch_json
from tests.campaign.comparison import Disagreement, Tally, compare
from tests.campaign.history import History
from tests.campaign.steps import TOGETHER, Step
from tests.scenarios.world import Stage, World, seconds
from tests.support.tracing import Daemon, daemon

__all__ = ["Batch", "Figures", "play"]

SECONDS = 60.0
GRACE = 1.0
TICK_SECONDS = 2.0
"""A row may be as old as that."""


@dataclass(slots=True)
class Figures:
    """What was played and compared."""

    histories: int = 0
    processes: int = 0
    rows: int = 0
    vague: int = 0
    restarts: int = 0
    disagreements: int = 0

    def __str__(self) -> str:
        return (
            f"histories {self.histories}, processes {self.processes}, rows compared {self.rows} (vague {self.vague}), "
            f"restarts {self.restarts}, disagreements {self.disagreements}"
        )


@dataclass(slots=True)
class Batch:
    """Histories by number, and what became of each."""

    daemon: Daemon
    histories: dict[int, History]
    found: dict[int, list[Disagreement]] = field(default_factory=lambda: defaultdict(list))
    tally: Tally = field(default_factory=Tally)
    restarts: int = 0
    checks: int = 0

    def together(self, word: str, *rest: str) -> None:
        """Take a step that all take together."""
        getattr(self, f"_{word}")(*rest)

    def _settle(self) -> None:
        """Until all that happened before this moment is counted."""
        begun = time.time()
        wait_until(lambda: seconds(self._head()["counted_until"]) > begun, SECONDS, "all to be counted")
        _, rows = self._look()
        for history in self.histories.values():
            history.learn(rows)

    def _noticed(self) -> None:
        def waiting() -> list[tuple[int, list[str]]]:
            views, _ = self._look()
            unnoticed = [(number, history.unnoticed(views)) for number, history in self.histories.items()]
            return [(number, labels) for number, labels in unnoticed if labels]

        late = waiting()
        deadline = time.monotonic() + 10
        while late and time.monotonic() < deadline:
            time.sleep(0.05)
            late = waiting()
        for number, labels in late:
            self.found[number].append(
                Disagreement("change", ", ".join(labels), "noticed", "not within 10 s", self.checks)
            )

    def _past_the_grace(self) -> None:
        self._until(max(history.grace_ends() for history in self.histories.values()), "the end of the graces")

    def _own_grace(self) -> None:
        self._until(max(history.own_grace_ends() for history in self.histories.values()), "the end of all graces")

    def _check(self) -> None:
        self._settle()
        views, rows = self._look()
        now = seconds(self._time()) - TICK_SECONDS
        for number, history in self.histories.items():
            found = compare(history, views, rows, now, self.tally)
            self.found[number] += [replace(one, check=self.checks) for one in found]
        self.checks += 1

    def _restart(self, number: str) -> None:
        self._stop(number)
        self._start_daemon()

    def _stop(self, number: str) -> None:
        if number == "SIGKILL":
            self.daemon.kill()
        elif (status := self.daemon.stop()) != 0:
            raise AssertionError(f"the daemon ended with status {status}: {self.daemon.log()}")
        self._count(counting=False)

    def _start_daemon(self) -> None:
        self.daemon.start()
        self.restarts += 1
        self._count(counting=True)

    def _count(self, *, counting: bool) -> None:
        for history in self.histories.values():
            history.count(counting=counting)

    def _head(self) -> Mapping[str, Any]:
        """Give what the daemon says of itself, without everybody's rows."""
        return fetch_json(self.daemon.socket, SECONDS, pid=1)

    def _time(self) -> str:
        return str(self._head()["time"])

    def _until(self, moment: float, what: str) -> None:
        wait_until(lambda: seconds(self._time()) > moment, SECONDS, what)

    def _look(self) -> tuple[Mapping[str, Any], Mapping[int, Any]]:
        check = self.daemon.check()
        return {view["id"]: view for view in check["views"]}, {row["pid"]: row for row in check["processes"]}


def play(directory: Path, histories: Mapping[int, Sequence[Step]], figures: Figures) -> dict[int, list[Disagreement]]:
    """Play histories that take the same steps together; gives what the contract and the daemon disagree on, if any."""
    _have_room()
    with ExitStack() as stack:
        started = stack.enter_context(daemon(directory, grace=GRACE))
        stage = stack.enter_context(Stage())
        made = {number: stack.enter_context(closing(History(World(stage, started)))) for number in histories}
        batch = Batch(started, made)
        try:
            for steps in zip(*(phases(steps) for steps in histories.values()), strict=True):
                _act(batch, steps)
        except Exception as error:
            error.add_note(started.log())
            raise
        broken = {number: history.broken for number, history in made.items() if history.broken}
        for number, why in broken.items():
            batch.found[number].append(Disagreement("act", why, "possible", "refused", batch.checks))
        figures.histories += len(made)
        figures.processes += sum(history.created for history in made.values())
        figures.rows += batch.tally.rows
        figures.vague += batch.tally.vague
        figures.restarts += batch.restarts
        found = {number: some for number, some in batch.found.items() if some}
        figures.disagreements += len(found)
        return found


def _act(batch: Batch, steps: Sequence[tuple[list[Step], Step]]) -> None:
    """Let each history do its own acts, and then all take their common step."""
    for history, (acts, _) in zip(batch.histories.values(), steps, strict=True):
        for act in acts:
            history.play(act)
    barrier = steps[0][1]
    if barrier:
        batch.together(*map(str, barrier))


def _have_room() -> None:
    """Let there be as many descriptors as may be: two for each process."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def phases(steps: Sequence[Step]) -> list[tuple[list[Step], Step]]:
    """Part a history at each step for which all wait: the acts before it, and the step."""
    parted: list[tuple[list[Step], Step]] = []
    acts: list[Step] = []
    for step in steps:
        if step[0] in TOGETHER:
            parted.append((acts, step))
            acts = []
        else:
            acts.append(step)
    return [*parted, (acts, ())]
