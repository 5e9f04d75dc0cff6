"""Histories without a kernel: what the programs in bpf/ make of them, and the daemon's pure part, in plain Python.

A thousand of them take as long as one with real processes. What views are called, what /proc tells and what takes its
time is not tried here.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Self

from tests.campaign.batch import TICK_SECONDS, phases
from tests.campaign.comparison import Disagreement, Tally, compare
from tests.campaign.history import History
from tests.campaign.steps import Step
from tests.scenarios.world import address
from tests.support.doubles import MILLISECOND, a_view, conf
from tests.support.world import World
from tracer.kernel.records import CHROOTED
from tracer.ledger.process import Process
from tracer.lookups import Transport
from tracer.resolvconf.history import SECOND, first_generation
from tracer.resolvconf.parser import ResolvConf
from tracer.resolvconf.view import View
from tracer.verdict.rules import Policy
from tracer.verdict.verdict import Thresholds

__all__ = ["Simulation"]

GRACE = 1.0
PIECE = 0.5
"""Seconds between the ticks of a wait."""
_MAIN = 1


class Simulation:
    """One history, and a daemon of its own. Ticks end between acts, here and there."""

    def __init__(self, steps: Sequence[Step], seed: int = 0, *, ticks: float = 0.2) -> None:
        """``ticks``: how likely one ends after an act."""
        self._steps = steps
        self._seed = seed
        self._ticks = ticks
        self.world = SimulatedWorld()
        self.history = History(self.world, self.world.now)
        self._found: list[Disagreement] = []
        self._meanwhile: list[Step] | None = None
        self._checks = 0
        self.restarts = 0
        self.tally = Tally()

    def play(self) -> list[Disagreement]:
        """Play it; gives what the contract and the daemon disagree on."""
        for acts, barrier in phases(self._steps):
            for act in acts:
                self._play(act)
            if barrier:
                getattr(self, f"_{barrier[0]}")(*barrier[1:])
        return self._found

    def _play(self, act: Step) -> None:
        if self._meanwhile is not None:
            self._meanwhile.append(act)
            return
        self.history.play(act)
        if Random(f"{self._seed} {act}").random() < self._ticks:
            self.world.kernel.tick()

    def _settle(self) -> None:
        self._start_daemon()
        for _ in range(2):
            self.world.kernel.tick()
        self.history.learn(self._rows())

    def _noticed(self) -> None:
        self.world.kernel.clock.advance(PIECE)
        self.history.unnoticed(self._views())

    def _past_the_grace(self) -> None:
        self._until(self.history.grace_ends())

    def _own_grace(self) -> None:
        self._until(self.history.own_grace_ends())

    def _check(self) -> None:
        self._settle()
        now = self.world.now() - TICK_SECONDS
        found = compare(self.history, self._views(), self._rows(), now, self.tally)
        self._found += [replace(one, check=self._checks) for one in found]
        self._checks += 1

    def _restart(self, number: str) -> None:
        self._stop(number)
        self._start_daemon()

    def _stop(self, _: str) -> None:
        self.world.kernel.tick()
        self._meanwhile = []

    def _start_daemon(self) -> None:
        if self._meanwhile is None:  # it runs: of a shrunk history
            return
        acts, self._meanwhile = self._meanwhile, None
        self.restarts += 1

        def meanwhile() -> None:
            self.history.count(counting=False)
            for act in acts:
                self.history.play(act)
            self.world.kernel.counted.clear()

        self.world.kernel.restart(meanwhile)
        self.history.count(counting=True)

    def _until(self, moment: float) -> None:
        while self.world.now() <= moment:
            self.world.kernel.tick(PIECE)

    def _views(self) -> Mapping[str, Mapping[str, Any]]:
        generations = {view.id: view.history.current for view in self.world.views()}
        return {
            name: {"generation": one.number, "nameservers": list(one.conf.nameservers)}
            for name, one in generations.items()
        }

    def _rows(self) -> Mapping[int, Mapping[str, Any]]:
        self.world.kernel.count_steady()
        return {process.pid: _row(process) for process in self.world.kernel.ledger.tracked}


def _row(process: Process) -> Mapping[str, Any]:
    return {
        "owner": process.owner.pid,
        "state": process.worst.value,
        "reason": "",
        "stale_since": process.flagged,
        "last_read": {"generation": process.last_read.generation} if process.last_read else None,
        "view": process.view.id if process.view else None,
        "nameservers": [
            {
                "address": key.address,
                "transport": transport.value,
                "queries": use.queries,
                "worker_queries": use.worker_queries,
                "state": pair.state.value,
            }
            for key, pair in process.pairs.items()
            for (_, transport), use in pair.uses.items()
        ],
    }


class SimulatedWorld:
    """What :class:`scenarios.world.World` is to real processes."""

    def __init__(self) -> None:
        self.kernel = World("192.0.2.1", policy=Policy(Thresholds(grace_seconds=GRACE)), step=20 * MILLISECOND)
        self.root = Path("/root")
        self._views: dict[Path, View] = {}
        self._numbers = itertools.count(1)
        self._pids = itertools.count(100)
        self._roots = itertools.count(_MAIN)
        self.networks = itertools.count(8)
        self._make(self.root, "A")
        self.kernel.machine.by_root[self.new_root()] = self._views[self.root]

    def now(self) -> float:
        """Give the time, as seconds since the Unix epoch."""
        return self.kernel.clock.wall() / SECOND

    def views(self) -> list[View]:
        """Give every view."""
        return list(self._views.values())

    def new_root(self, flags: int = 0) -> int:
        """Give a number for a root directory."""
        return next(self._roots) | flags

    def new_pid(self) -> int:
        """Give a number that no process had."""
        return next(self._pids)

    def write(self, letters: str, how: str = "rename", root: Path | None = None) -> None:
        """Change a resolv.conf; or begin it anew, as long as nobody is there."""
        del how
        place = root or self.root
        if not self.kernel.map.entries:
            self._make(place, letters)
            self.kernel.machine.by_root[_MAIN] = self._views[place]
            return
        written = _conf(letters)
        self.kernel.write(written, self._views[place])

    def jail(self, name: str, letters: str) -> None:
        """Make a directory to chroot to."""
        self._make(self.root / "mnt" / name, letters)

    def mount(self, pid: int, letters: str) -> View:
        """Make an /etc that one process sees."""
        return self._make(Path(f"/proc/{pid}/root"), letters)

    def view_below(self, path: str) -> View:
        """Find the view of a jail."""
        return self._views[self.root / path.strip("/")]

    def start(self, name: str) -> SimulatedProcess:
        """Start a process."""
        pid = self.new_pid()
        self.kernel.start(pid)
        return SimulatedProcess(self, name, pid)

    def close(self) -> None:
        """End nothing."""

    def _make(self, place: Path, letters: str) -> View:
        now = self.kernel.moment()
        view = a_view(first_generation(_conf(letters), now, now), f"view{next(self._numbers)}")
        self._views[place] = view
        return view


def _conf(letters: str) -> ResolvConf:
    addresses = [address(letter) for letter in letters]
    return conf(*addresses[:3], also=tuple(addresses[3:]), lookup=2 * len(addresses[:3]))


class SimulatedProcess:
    """What :class:`scenarios.world.Process` is to a real one."""

    def __init__(self, world: SimulatedWorld, name: str, pid: int, netns: int = 7) -> None:
        self.name = name
        self.pid = pid
        self._world = world
        self._netns = netns

    def query(self, letter: str, count: int = 1, how: str = "sendto") -> None:
        """Send queries."""
        transport = Transport.TCP if how == "tcp" else Transport.UDP
        self._world.kernel.query(self.pid, address(letter), count, transport=transport, netns=self._netns)

    def read(self, how: str = "openat") -> None:
        """Open resolv.conf."""
        del how
        self._world.kernel.read(self.pid)

    def stat(self) -> None:
        """Look whether resolv.conf has changed."""
        self._world.kernel.check(self.pid)

    def fork(self, name: str) -> SimulatedProcess:
        """Fork a child."""
        child = self._world.new_pid()
        self._world.kernel.fork(self.pid, child)
        return SimulatedProcess(self._world, name, child, self._netns)

    def fork_twice(self, name: str) -> SimulatedProcess:
        """Fork a child that forks and exits."""
        between = self.fork(f"{name}'")
        made = between.fork(name)
        between.exit()
        return made

    def spawn(self, name: str) -> SimulatedProcess:
        """Fork a child that calls exec."""
        return self.fork(name).exec()

    def exec(self) -> Self:
        """Call exec."""
        self._world.kernel.execute(self.pid)
        return self

    def exit(self) -> None:
        """Exit."""
        self._world.kernel.exit(self.pid)

    def kill(self) -> None:
        """Be killed."""
        self.exit()

    def chroot(self, jail: str) -> None:
        """Call chroot."""
        self._move(self._world.view_below(jail), CHROOTED)

    def unshare_mounts(self) -> Self:
        """Take a mount namespace of its own."""
        self._move(self._view())
        return self

    def mount_etc(self, letters: str) -> None:
        """Mount a file system over its /etc."""
        self._move(self._world.mount(self.pid, letters))

    def enter(self, other: SimulatedProcess) -> None:
        """Enter another's mount namespace."""
        self._move(other._view())

    def unshare_network(self) -> None:
        """Take a network namespace of its own."""
        self._netns = next(self._world.networks)

    def leave_main_thread(self) -> None:
        """Let the main thread exit: nobody can tell here."""

    def _view(self) -> View | None:
        kernel = self._world.kernel
        return kernel.machine.by_root.get(kernel.map.entries[self.pid].root)

    def _move(self, view: View | None, flags: int = 0) -> None:
        root = self._world.new_root(flags)
        self._world.kernel.machine.by_root[root] = view
        self._world.kernel.move(self.pid, root)


def shrink(steps: Sequence[Step], seed: int, kind: str) -> tuple[list[Step], list[Disagreement]]:
    """Take out, one by one, the steps that are not needed for a disagreement of a kind; gives what is left of both."""

    def tried(candidate: Sequence[Step]) -> list[Disagreement]:
        return [one for one in Simulation(candidate, seed).play() if one.kind == kind]

    left, found, before = list(steps), tried(steps), len(steps) + 1
    while len(left) < before:
        before = len(left)
        for place in reversed(range(len(left))):
            shorter = left[:place] + left[place + 1 :]
            if seen := tried(shorter):
                left, found = shorter, seen
    return left, found
