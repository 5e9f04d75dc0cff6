"""Random histories: from a seed, always the same ones.

A hundred seeds share the steps that they take together (changes, graces, restarts of the daemon), so that they can be
played side by side against one daemon; what happens in between is each one's own.
"""

from __future__ import annotations

from random import Random

from tests.campaign.steps import Step
from tests.scenarios.files import HOWS
from tests.scenarios.world import QUERY_WAYS, READS

__all__ = ["BATCH", "generate"]

BATCH = 100
LETTERS = "ABCDEF"
NEVER_LISTED = "KL"
MOST_ALIVE = 12

ACTS = {
    "query": 36,
    "read and query": 12,
    "fork": 12,
    "job": 10,
    "stat": 3,
    "fork_twice": 4,
    "spawn": 4,
    "start": 5,
    "exec": 3,
    "exit": 6,
    "kill": 2,
    "chroot": 4,
    "mount_etc": 3,
    "enter": 2,
    "unshare_mounts": 2,
    "unshare_network": 2,
    "leave_main_thread": 2,
}
CREATING = ("fork", "fork_twice", "spawn", "job")
WHILE_DOWN = ("query", "query", "fork", "exit", "exec", "kill")


def generate(seed: int) -> list[Step]:
    """Give the history of a seed."""
    frame = Random(f"frame {seed // BATCH}")
    writer = _Writer(Random(f"history {seed}"))
    writer.begin()
    writer.together("settle")
    for number in range(2):
        writer.acts(frame.choice((2, 4, 8)))
        if frame.random() < 0.5:
            _restart(writer, frame)
        writer.together("settle")
        writer.changes(always=number == 0)
        writer.together("noticed")
        writer.acts(frame.choice((0, 2, 4)))
        writer.together("past_the_grace")
        writer.acts(frame.choice((4, 8)))
        for _ in range(frame.choice((0, 1))):
            writer.together("settle")
            writer.acts(4)
        if frame.random() < 0.6:
            _restart(writer, frame)
            writer.acts(frame.choice((0, 3)))
        writer.together("check")
    writer.acts(5)
    writer.together("check")
    writer.together("own_grace")
    writer.together("check")
    return writer.steps


def _restart(writer: _Writer, frame: Random) -> None:
    """SIGTERM may come in the middle of a tick. What a SIGKILL may lose is only what was not yet in a snapshot."""
    number = frame.choice(("SIGTERM", "SIGTERM", "SIGKILL"))
    settles, at_once = frame.random() < 0.3, frame.random() < 0.5
    if number == "SIGKILL":
        writer.show_the_silent(orphans_only=at_once)
    if number == "SIGKILL" or settles:
        writer.together("settle")
    if at_once:
        writer.together("restart", number)
        return
    writer.together("stop", number)
    writer.acts_while_down(3)
    writer.together("start_daemon")


class _Writer:
    """Writes the steps of one history, and keeps in mind what makes sense next."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.steps: list[Step] = []
        self.listed = {"main": self._list()}
        self.gone: dict[str, set[str]] = {"main": set()}
        self.alive: list[str] = []
        self.view: dict[str, str] = {}
        self.mute: set[str] = set()
        self._silent: dict[str, str | None] = {}
        """Who did nothing since it was forked, and its parent; None if that is gone."""
        self._number = 0

    def together(self, *step: str) -> None:
        """Add a step that all histories take together."""
        self.steps.append(step)

    def begin(self) -> None:
        """Add what each history begins with: somebody in each view, who stays."""
        self._do("listed", self.listed["main"])
        self._settle_in(self._new("start"))
        for label in ("jail1", "jail2")[: self.random.choice((0, 1, 2))]:
            self.listed[label], self.gone[label] = self._list(), set()
            self._do("jail", label, self.listed[label])
            anchor = self._new("start")
            self._do("chroot", anchor, label)
            self.view[anchor] = label
            self._settle_in(anchor)
        self.anchors = list(self.alive)
        for _ in range(self.random.choice((1, 2, 3))):
            self._act("start")

    def acts(self, number: int) -> None:
        """Add that many acts."""
        for _ in range(number):
            self._act(self.random.choices(list(ACTS), list(ACTS.values()))[0])

    def acts_while_down(self, number: int) -> None:
        """Add that many of those that a daemon can find out about later."""
        for _ in range(number):
            self._act(self.random.choice(WHILE_DOWN))

    def show_the_silent(self, *, orphans_only: bool) -> None:
        """Let those query that did nothing so far: a daemon that is killed leaves no note of them.

        It finds them again by their parents; so only those without one, or all if that may exit while no daemon runs.
        """
        for name, parent in list(self._silent.items()):
            if name in self.alive and (parent is None or not orphans_only):
                self._query(name, listed=True)

    def changes(self, *, always: bool) -> None:
        """Change files; the main one mostly, or always."""
        for label in list(self.listed):
            if (label == "main" and always) or self.random.random() < (0.7 if label == "main" else 0.4):
                new = self._list(self.listed[label])
                how = self.random.choice(HOWS)
                self._do("write", label, new, how)
                self.gone[label] |= set(self.listed[label]) - set(new)
                self.gone[label] -= set(new)
                self.listed[label] = new

    # One act

    def _act(self, kind: str) -> None:
        movable = [name for name in self.alive if name not in self.anchors]
        full = len(self.alive) >= MOST_ALIVE
        if kind == "start" or not movable:
            if not full:
                self._begin(self._new("start"))
            return
        name = self.random.choice(movable)
        own = getattr(self, f"_{kind.replace(' ', '_')}", None)
        if full and kind in CREATING:
            self._query(name)
        elif own is not None:
            own(name)
        else:
            self._do(kind, name)

    def _read_and_query(self, name: str) -> None:
        self._read(name)
        for _ in range(self.random.choice((1, 1, 2))):
            self._query(name, listed=True)
        if self.random.random() < 0.4:
            self._query(name)

    def _fork(self, parent: str) -> None:
        self._forked("fork", parent)

    def _fork_twice(self, parent: str) -> None:
        self._forked("fork_twice", parent)

    def _forked(self, how: str, parent: str) -> None:
        child = self._new(how, parent)
        if self.random.random() < 0.6:
            self._query(child)

    def _spawn(self, parent: str) -> None:
        self._settle_in(self._new("spawn", parent))

    def _exit(self, name: str) -> None:
        self.alive.remove(name)
        self._do("exit", name)

    def _kill(self, name: str) -> None:
        self.alive.remove(name)
        self._do("kill", name)

    def _exec(self, name: str) -> None:
        self._do("exec", name)
        self.mute.discard(name)

    def _chroot(self, name: str) -> None:
        jails = [label for label in self.listed if label.startswith("jail")]
        if self.view[name] == "main" and jails:
            jail = self.random.choice(jails)
            self._do("chroot", name, jail)
            self._moved(name, jail)

    def _mount_etc(self, name: str) -> None:
        if self.view[name] == "main" and name not in self.mute:
            label = f"etc of {name}"
            self.listed[label], self.gone[label] = self._list(), set()
            self._do("mount_etc", name, self.listed[label])
            self._moved(name, label, always=True)

    def _enter(self, name: str) -> None:
        self._do("enter", name, self.random.choice(self.alive))

    def _job(self, master: str) -> None:
        """Add a worker that is gone soon, and may query before it reads, after it, or both."""
        worker = self._new("fork", master)
        for act in self.random.choice(("a", "aa", "ara", "ra", "ar", "arra")):
            if act == "a":
                self._query(worker)
            else:
                self._read(worker)
                self._query(worker, listed=True)
        self._exit(worker)

    def _begin(self, name: str) -> None:
        """Most read and query before anything else; a master may only read, and some never read."""
        kind = self.random.random()
        if kind < 0.75:
            self._settle_in(name)
        elif kind < 0.9:
            self._read(name)
            self.mute.add(name)
        else:
            self._query(name, listed=True)

    def _settle_in(self, name: str) -> None:
        self._read(name)
        self._query(name, listed=True)

    def _moved(self, name: str, label: str, *, always: bool = False) -> None:
        """Let it read where it is now, or go on with what it had."""
        if name not in self.mute and (always or self.random.random() < 0.6):
            self.view[name] = label
            self._read(name)
            self._query(name, listed=True)

    def _read(self, name: str) -> None:
        if name in self.mute:
            return
        self._do("read", name, self.random.choice(READS))

    def _query(self, name: str, *, listed: bool = False) -> None:
        if name in self.mute:
            return
        label = self.view[name]
        gone, chance = sorted(self.gone[label]), self.random.random()
        if not listed and gone and chance < 0.55:
            letter = self.random.choice(gone)
        elif not listed and chance > 0.95:
            letter = self.random.choice(NEVER_LISTED)
        else:
            letter = self.random.choice(self.listed[label])
        self._do("query", name, letter, self.random.choice((1, 1, 1, 2, 3, 23)), self.random.choice(QUERY_WAYS))

    def _new(self, how: str, parent: str | None = None) -> str:
        self._number += 1
        name = f"p{self._number}"
        self._do(how, *([parent] if parent else []), name)
        self.alive.append(name)
        if how in ("fork", "fork_twice"):
            self._silent[name] = parent if how == "fork" else None
        self.view[name] = self.view[parent] if parent else "main"
        return name

    def _list(self, old: str = "") -> str:
        """Another list than the old one, mostly: of one or two nameservers, seldom of more."""
        chance = self.random.random()
        if len(old) > 1 and chance < 0.2:
            return "".join(self.random.sample(old, len(old) - 1))
        if old and chance < 0.3:
            return "".join(self.random.sample(old, len(old)))
        return "".join(self.random.sample(LETTERS, self.random.choice((1, 1, 1, 1, 2, 2, 3, 4))))

    def _do(self, *step: str | int) -> None:
        self.steps.append(step)
        word, who, *_ = (*step, "")
        if word in ("query", "read", "exec"):
            self._silent.pop(str(who), None)
        if word in ("exit", "kill", "exec"):
            self._silent |= {name: None for name, parent in self._silent.items() if parent == who}
