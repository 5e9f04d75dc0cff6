"""One history, played: each step is done by real processes, and entered into the contract."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

from tests.campaign import contract
from tests.campaign.steps import Step
from tests.scenarios.remote import Refused
from tests.scenarios.world import address

__all__ = ["History"]


class Process(Protocol):
    """A process, real (:class:`scenarios.world.Process`) or not."""

    name: str

    @property
    def pid(self) -> int:
        """Its pid."""

    def fork(self, name: str) -> Self:
        """Fork a child."""

    def fork_twice(self, name: str) -> Self:
        """Fork a child that forks and exits; gives the grandchild."""

    def spawn(self, name: str) -> Self:
        """Fork a child that calls exec."""

    def exec(self) -> object:
        """Call exec."""

    def exit(self) -> object:
        """Exit."""

    def kill(self) -> object:
        """Be killed."""

    def read(self, how: str) -> object:
        """Open resolv.conf."""

    def stat(self) -> object:
        """Look whether resolv.conf has changed."""

    def query(self, letter: str, count: int, how: str) -> object:
        """Send queries to a nameserver."""

    def chroot(self, jail: str) -> object:
        """Call chroot."""

    def unshare_mounts(self) -> Self:
        """Take a mount namespace of its own."""

    def unshare_network(self) -> object:
        """Take a network namespace of its own."""

    def leave_main_thread(self) -> object:
        """Let the main thread exit."""

    def mount_etc(self, letters: str) -> object:
        """Mount a file system over its /etc, with a resolv.conf that lists these."""

    def enter(self, other: Self) -> object:
        """Enter another's mount namespace."""


class World(Protocol):
    """Where processes live: :class:`scenarios.world.World`, or one without a kernel."""

    @property
    def root(self) -> Path:
        """Its root directory."""

    def write(self, letters: str, how: str, root: Path | None = None) -> object:
        """Make a resolv.conf list these."""

    def jail(self, name: str, letters: str) -> object:
        """Make a directory to chroot to, with a resolv.conf of its own."""

    def start(self, name: str) -> Process:
        """Start a process; it has read nothing."""

    def close(self) -> None:
        """End the world."""


class Skipped(Exception):  # noqa: N818 - named for what happened
    """A step makes no sense here: its process is gone, say, because an earlier step was taken out."""


class History:
    """The processes of a history, and what the contract says of each."""

    def __init__(self, world: World, now: Callable[[], float] = time.time) -> None:
        """``now`` gives the time of that world, as seconds since the Unix epoch."""
        self.world = world
        self._now = now
        self.contract = contract.Contract(("A",), now())
        self.processes: dict[str, Process] = {}
        self.models: dict[str, contract.Process] = {}
        self.views = {"main": self.contract.main}
        self.places: dict[str, Path] = {"main": self.world.root}
        self.forked_while_down: set[str] = set()
        self.created = 0
        self.counting = True
        """Whether the daemon runs."""
        self.restarted = False
        self._leaderless: set[str] = set()
        self._networks = itertools.count(1)
        self.broken: str | None = None

    def play(self, step: Step) -> None:
        """Do one step; one that makes no sense is left out."""
        word, *rest = step
        try:
            getattr(self, f"_{word}")(*rest)
        except Skipped:
            return
        except (Refused, OSError) as error:
            self.broken = self.broken or f"{step}: {error}"

    # Steps

    def _listed(self, letters: str) -> None:
        """Write the resolv.conf that the history begins with."""
        self.world.write(letters, "in-place")
        self.contract.main.listed = tuple(letters)
        self.contract.main.written = self._now()

    def _start(self, name: str) -> None:
        if name in self.models:
            raise Skipped
        began = self._now()
        self.processes[name] = self.world.start(name)
        self.models[name] = self.contract.start(name, began)
        self.created += 1

    def _fork(self, parent: str, name: str) -> None:
        process, model = self._get(parent)
        if name in self.models:
            raise Skipped
        self.processes[name] = process.fork(name)
        self.models[name] = self.contract.fork(model, name, self._now())
        self.created += 1
        if not self.counting:
            self.forked_while_down |= {parent, name}

    def _fork_twice(self, parent: str, name: str) -> None:
        process, model = self._get(parent)
        if name in self.models or not self.counting:
            raise Skipped
        self.processes[name] = process.fork_twice(name)
        between = self.contract.fork(model, f"{name}'", self._now())
        self.models[name] = self.contract.fork(between, name, self._now())
        self.contract.end(between)
        self.created += 2

    def _spawn(self, parent: str, name: str) -> None:
        process, model = self._get(parent)
        if name in self.models:
            raise Skipped
        began = self._now()
        self.processes[name] = process.spawn(name)
        self.models[name] = self.contract.start(name, began, model)
        self.created += 1

    def _exec(self, name: str) -> None:
        process, model = self._get(name)
        if name in self.forked_while_down and not self.counting:
            raise Skipped  # as for one that exits
        process.exec()
        self._leaderless.discard(name)
        self.models[name] = self.contract.execute(model)

    def _exit(self, name: str) -> None:
        process, model = self._get(name)
        if name in self.forked_while_down and not self.counting:
            raise Skipped  # who has lost its parent before anybody could see it has no way back to it
        process.exit()
        self.contract.end(model)

    def _kill(self, name: str) -> None:
        process, model = self._get(name)
        if name in self.forked_while_down and not self.counting:
            raise Skipped
        process.kill()
        self.contract.end(model)

    def _read(self, name: str, how: str) -> None:
        process, model = self._get(name)
        if not self.counting:
            raise Skipped
        has_proc = name not in self._leaderless and not model.root.label.startswith("jail")
        process.read(how if how != "root" or has_proc else "openat")
        self.contract.read(model, self._now())

    def _stat(self, name: str) -> None:
        process, model = self._get(name)
        process.stat()
        self.contract.look(model)

    def _query(self, name: str, letter: str, count: int, how: str) -> None:
        process, model = self._get(name)
        if model.network and how in ("tcp", "kept"):
            how = "sendto"  # nobody serves there, and a kept socket is of where it was made
        if self._looks_like_a_read_while_down(model, letter):
            raise Skipped
        began = self._now()
        process.query(letter, count, how)
        if self.counting:
            self.contract.query(model, letter, count, "tcp" if how == "tcp" else "udp", began, self._now())

    def _jail(self, label: str, letters: str) -> None:
        self.world.jail(label, letters)
        view = contract.View(label, tuple(letters), self._now())
        self.contract.views.append(view)
        self.views[label] = view
        self.places[label] = self.world.root / "mnt" / label

    def _chroot(self, name: str, label: str) -> None:
        process, model = self._get(name)
        if label not in self.views or model.root.label.startswith("jail") or not model.has_read:
            raise Skipped  # by which file it would be judged that has read none is not said
        process.chroot(f"/mnt/{label}")
        model.root = self.views[label]

    def _unshare_mounts(self, name: str) -> None:
        process, model = self._get(name)
        if model.root.label.startswith("jail"):
            raise Skipped  # a jail is no mount point
        process.unshare_mounts()

    def _unshare_network(self, name: str) -> None:
        process, model = self._get(name)
        process.unshare_network()
        model.network = next(self._networks)

    def _leave_main_thread(self, name: str) -> None:
        process, _ = self._get(name)
        if name in self._leaderless:
            raise Skipped
        process.leave_main_thread()
        self._leaderless.add(name)

    def _mount_etc(self, name: str, letters: str) -> None:
        process, model = self._get(name)
        label = f"etc of {name}"
        if name in self._leaderless or model.root is not self.contract.main or label in self.views:
            raise Skipped
        if not model.has_read:
            raise Skipped
        process.unshare_mounts().mount_etc(letters)
        model.root = self.views[label] = contract.View(label, tuple(letters), self._now())
        self.contract.views.append(model.root)
        self.places[label] = Path(f"/proc/{process.pid}/root")

    def _enter(self, name: str, other: str) -> None:
        process, model = self._get(name)
        into, its = self._get(other)
        if (
            {name, other} & self._leaderless
            or not model.has_read
            or any(one.root.label.startswith("jail") for one in (model, its))
        ):
            raise Skipped
        if model.root is not self.contract.main and model.root.name is None:
            raise Skipped  # its file would be gone with the namespace before the daemon can tell which it was
        process.enter(into)
        model.root = its.root

    def _write(self, label: str, letters: str, how: str) -> None:
        view, place = self.views.get(label), self.places.get(label)
        if view is None or place is None or view.name is None or not self._sees(label):
            raise Skipped
        self.world.write(letters, how, place)
        self.contract.change(view, tuple(letters), self._now())

    # Together with the daemon

    def count(self, *, counting: bool) -> None:
        """Say that the daemon runs again, or no more."""
        self.counting, self.restarted = counting, True
        self.contract.watch(watched=counting)
        self.forked_while_down.clear()

    def unnoticed(self, views: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Say which views the daemon does not show as they are now. One that nobody sees may lose its name."""
        waiting = []
        seen = {model.root for model in self.contract.living()}
        for view in self.contract.views:
            shown = views.get(view.name or "")
            if shown is None or view not in seen:
                continue
            if shown["nameservers"] != [address(letter) for letter in view.listed[:3]]:
                waiting.append(view.label)
            else:
                view.noticed(self._now())
        return waiting

    def learn(self, rows: Mapping[int, Mapping[str, Any]]) -> None:
        """Take in what the daemon calls each view."""
        for name, model in self.models.items():
            row = rows.get(self.processes[name].pid) if model.lives else None
            if row is not None and model.view.name is None:
                model.view.name = row["view"]

    def grace_ends(self) -> float:
        """Give when the grace of every removal that was noticed is over."""
        ends = [removal.latest + removal.grace for view in self.contract.views for removal in view.removals.values()]
        return max((end for end in ends if end != float("inf")), default=0.0) + contract.MARGIN

    def own_grace_ends(self) -> float:
        """Give when the grace of each process's own read is over, and that of what it queried last."""
        ends = [self.grace_ends()]
        for model in self.contract.living():
            ends += [read + removal.grace for removal, read in model.first_reads.items()]
            ends += [pair.last + pair.removal.grace for pair in model.pairs.values() if pair.removal]
        return max(ends) + contract.MARGIN

    def close(self) -> None:
        """End everybody, and the world."""
        self.world.close()

    def _get(self, name: str) -> tuple[Process, contract.Process]:
        model = self.models.get(name)
        if model is None or not model.lives:
            raise Skipped
        return self.processes[name], model

    def _looks_like_a_read_while_down(self, model: contract.Process, letter: str) -> bool:
        """Say whether a query is to what it cannot know from its last read, but may from one that nobody saw."""
        news = letter in model.view.listed and letter not in model.known
        return self.restarted and news and (letter, model.network) not in model.pairs

    def _sees(self, label: str) -> bool:
        """Say whether somebody is there by whom a view's file is found, and it is still what it has at its root."""
        if not label.startswith("etc of "):
            return True
        model = self.models[label.removeprefix("etc of ")]
        return model.lives and model.root is self.views[label] and model.name not in self._leaderless
