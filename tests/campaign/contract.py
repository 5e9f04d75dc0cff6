"""What must be true of each process: a second, slow and plain telling of the documented rules.

Nothing of the daemon is used here. Times are seconds since the Unix epoch. A query so close to the end of a grace that
either answer is right makes its pair `vague`: the pair's state is not compared from then on.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["MIN_QUERIES", "Contract", "Pair", "Place", "Process", "View"]

MIN_QUERIES = 2
LOOKUP_SECONDS = 2.0
"""What one lookup lasts for each nameserver of the list, with the options that every resolv.conf here has."""
MARGIN = 0.25
RANKS = ("stale", "grace", "suspect", "quiet", "unlisted", "current", "retired")

Place = tuple[str, int]
"""A nameserver in a network namespace, which have numbers here."""


@dataclass(eq=False)
class Removal:
    """A nameserver was removed from a list: noticed between two moments, and what the old list makes the grace."""

    earliest: float
    latest: float
    grace: float


@dataclass(eq=False)
class View:
    """One resolv.conf. ``name`` is what the daemon calls it, once that is known."""

    label: str
    listed: tuple[str, ...]
    written: float
    generation: int = 1
    removals: dict[str, Removal] = field(default_factory=dict)
    name: str | None = None

    def change(self, listed: tuple[str, ...], now: float) -> bool:
        """List these from now on; say whether that is another generation."""
        if listed == self.listed:
            return False
        grace = LOOKUP_SECONDS * len(self.listed[:3])
        for letter in set(self.listed) - set(listed):
            # When the daemon noticed is known later: see `noticed`.
            self.removals[letter] = Removal(now, float("inf"), grace)
        for letter in listed:
            self.removals.pop(letter, None)
        self.listed = listed
        self.generation += 1
        return True

    def noticed(self, now: float) -> None:
        """Its last change has been noticed by now."""
        for removal in self.removals.values():
            removal.latest = min(removal.latest, now)


@dataclass(eq=False)
class Pair:
    """A process and a nameserver: what was queried, and the evidence since its removal."""

    own: Counter[str] = field(default_factory=Counter)
    workers: Counter[str] = field(default_factory=Counter)
    removal: Removal | None = None
    late: int = 0
    flagged: bool = False
    vague: bool = False
    last: float = 0.0
    order: int = 0

    def follow(self, removal: Removal | None) -> None:
        """Begin again if the nameserver was removed, or is listed again."""
        if self.removal is not removal:
            self.removal = removal
            self.forget()

    def forget(self) -> None:
        """Drop the evidence."""
        self.late, self.flagged, self.vague = 0, False, False

    def copy(self) -> Pair:
        """Give one that goes its own way."""
        return Pair(
            Counter(self.own),
            Counter(self.workers),
            self.removal,
            self.late,
            self.flagged,
            self.vague,
            self.last,
            self.order,
        )


@dataclass(eq=False)
class Process:
    """A process, until it execs or exits."""

    name: str
    parent: Process | None
    state: int
    """The resolver state that it has: copied by fork, new at exec and at each read."""
    root: View
    network: int
    born: float
    view_read: View | None = None
    lives: bool = True
    pairs: dict[Place, Pair] = field(default_factory=dict)
    generations: set[int | None] = field(default_factory=lambda: {None})
    """Of which one is its last read: more than one if the contract leaves that open."""
    read_order: int = 0
    read_at: float = 0.0
    listed_queried_at: float = 0.0
    first_reads: dict[Removal, float] = field(default_factory=dict)
    known: tuple[str, ...] = ()
    """What its view listed when it last read it; before its first read, when it began."""
    has_read: bool = False
    looked: bool = False
    opened: bool = False
    queried: bool = False
    split_is_open: bool = False
    """Whether it inherited from processes of which nobody can tell who exited first: then one's own queries were its
    owner's workers' or its heirs' own. What they are together holds."""

    @property
    def view(self) -> View:
        """By which it is judged: the one it last read; before it read any, the one it would read."""
        return self.view_read or self.root


class Contract:
    """All processes of a history, the dead too, and what follows from what they did."""

    def __init__(self, listed: tuple[str, ...], now: float) -> None:
        self.main = View("main", listed, now)
        self.views = [self.main]
        self.processes: list[Process] = []
        self._left_unseen: set[int] | None = None
        self._states = itertools.count(1)
        self._order = itertools.count(1)

    def watch(self, *, watched: bool) -> None:
        """Say whether a daemon runs from now on: without one nobody sees who exits before whom."""
        self._left_unseen = None if watched else set()

    # What processes do

    def start(self, name: str, now: float, like: Process | None = None) -> Process:
        """Begin with a process that has read nothing: started, or forked by another one and then exec'ed."""
        root, network = (like.root, like.network) if like else (self.main, 0)
        return self._add(Process(name, None, next(self._states), root, network, now, known=root.listed))

    def fork(self, parent: Process, name: str, now: float) -> Process:
        """Fork: the child has what its parent has."""
        child = Process(name, parent, parent.state, parent.root, parent.network, now, parent.view_read)
        child.generations = set(parent.generations)
        child.read_order, child.read_at = parent.read_order, parent.read_at
        child.first_reads = dict(parent.first_reads)
        child.has_read, child.looked, child.known = parent.has_read, parent.looked, parent.known
        return self._add(child)

    def execute(self, process: Process) -> Process:
        """Exec: what the old image did is over; it is as old as before."""
        self.end(process)
        return self.start(process.name, process.born, process)

    def end(self, process: Process) -> None:
        """Exit: whoever was owned by it and now is by nobody inherits."""
        owned = [other for other in self.living() if other is not process and self.owner(other) is process]
        process.lives = False
        others_left = self._left_unseen is not None and process.state in self._left_unseen
        if self._left_unseen is not None:
            self._left_unseen.add(process.state)
        for heir in owned:
            if self.owner(heir) is heir:
                self._inherit(heir, process)
                heir.split_is_open |= others_left

    def read(self, process: Process, now: float) -> None:
        """Open resolv.conf, whichever it sees now."""
        process.state = next(self._states)
        process.read_order, process.read_at = next(self._order), now
        process.has_read = process.opened = True
        if process.view is not process.root:
            process.first_reads.clear()  # what it read of a file before it read another counts no more
            process.view_read = process.root
            self._follow(process)
        process.view_read, process.known = process.root, process.root.listed
        process.generations = {process.root.generation}
        for removal in process.root.removals.values():
            process.first_reads.setdefault(removal, now)

    def look(self, process: Process) -> None:
        """Stat resolv.conf. What it says of the last read is left open if that found another list, or was never.

        And whether a worker's look is its owner's too, and that of who owns it when the look is noticed.
        """
        for one in (one for one in self.living() if one is process or self._is_above(one, process)):
            one.looked = True
            if one.root is one.view:
                one.generations.add(one.root.generation)

    def query(self, process: Process, letter: str, count: int, transport: str, began: float, ended: float) -> None:
        """Send queries between two moments. They are the process's, and its owner's by a worker."""
        order = next(self._order)
        process.queried = True
        owner = self.owner(process)
        self._count(process, process, (letter, process.network), count, transport, began, ended, order)
        if owner is not process:
            self._count(owner, process, (letter, process.network), count, transport, began, ended, order)

    def change(self, view: View, listed: tuple[str, ...], now: float) -> None:
        """Change a resolv.conf."""
        if view.change(listed, now):
            for process in self.processes:
                if process.lives and process.view is view:
                    self._follow(process)

    # What follows

    def living(self) -> Iterable[Process]:
        """Give who is alive."""
        return [process for process in self.processes if process.lives]

    def owner(self, process: Process) -> Process:
        """Give the eldest living ancestor that has the same resolver state, or the process itself."""
        eldest, ancestor = process, process.parent
        while ancestor is not None:
            if ancestor.lives and ancestor.state == process.state:
                eldest = ancestor
            ancestor = ancestor.parent
        return eldest

    def _is_above(self, ancestor: Process, process: Process) -> bool:
        """Say whether a process has an ancestor's resolver state."""
        above = process.parent
        while above is not None and above is not ancestor:
            above = above.parent
        return above is ancestor and ancestor.state == process.state

    def pair_states(self, process: Process, place: Place, now: float) -> set[str]:
        """Give the states that a pair may be in."""
        letter, pair, view = place[0], process.pairs[place], process.view
        if letter in view.listed:
            return {"current"}
        removal = view.removals.get(letter)
        if removal is None:
            old = process.born - view.written
            return {"suspect"} if old < -MARGIN else {"unlisted"} if old > MARGIN else {"suspect", "unlisted"}
        if pair.vague and not pair.flagged:
            return {"stale", "grace", "quiet", "retired"}
        if pair.flagged:
            return {"stale"}
        left = self._left(process, removal)
        if pair.last >= removal.earliest and now < max(self._grace_ends(process, removal), pair.last + removal.grace):
            return {"grace", *left}
        return left

    def state(self, process: Process, now: float) -> set[str]:
        """Give the states that a process may be in: each the worst of what its pairs may be in."""
        choices = [self.pair_states(process, place, now) for place in process.pairs]
        return {min(choice, key=RANKS.index) for choice in itertools.product(*choices)}

    def _left(self, process: Process, removal: Removal) -> set[str]:
        """Whether it has been active since the removal; open if only others were, or it only looked."""
        if max(process.read_at if process.opened else 0.0, process.listed_queried_at) > removal.latest:
            return {"retired"}
        others = process.parent is not None or any(pair.workers for pair in process.pairs.values())
        if others or process.looked or max(process.read_at, process.listed_queried_at) >= removal.earliest:
            return {"quiet", "retired"}
        return {"quiet"}

    def _grace_ends(self, process: Process, removal: Removal) -> float:
        own = process.first_reads.get(removal, 0.0) + removal.grace
        return max(removal.latest + removal.grace, own) + MARGIN

    def _add(self, process: Process) -> Process:
        self.processes.append(process)
        return process

    def _follow(self, process: Process) -> None:
        for (letter, _), pair in process.pairs.items():
            pair.follow(process.view.removals.get(letter))

    def _count(
        self,
        judged: Process,
        sender: Process,
        place: Place,
        count: int,
        transport: str,
        began: float,
        ended: float,
        order: int,
    ) -> None:
        letter, view = place[0], judged.view
        pair = judged.pairs.setdefault(place, Pair())
        (pair.own if judged is sender else pair.workers)[transport] += count
        removal = view.removals.get(letter)
        pair.follow(removal)
        pair.last, pair.order = ended, order
        if letter in view.listed:
            if judged is sender:
                judged.listed_queried_at = began
            self._clear(judged, order)
        elif removal is not None:
            own = judged.first_reads.get(removal, 0.0)
            if began > max(removal.latest, own) + removal.grace + MARGIN:
                pair.late += count
                pair.flagged |= pair.late >= MIN_QUERIES
            elif ended > max(removal.earliest, own) + removal.grace - MARGIN:
                pair.vague = True

    def _clear(self, process: Process, order: int) -> None:
        """Drop queries before the last read, or in the grace of the first: a listed nameserver is queried now."""
        for pair in process.pairs.values():
            if pair.removal is None or process.read_order > order or not process.has_read:
                continue
            if pair.order < process.read_order:
                pair.forget()
                continue
            own = process.first_reads.get(pair.removal)
            if own is None:
                continue
            if pair.last < own + pair.removal.grace - MARGIN:
                pair.forget()
            elif pair.last < own + pair.removal.grace + MARGIN:
                pair.forget()
                pair.vague = True

    def _inherit(self, heir: Process, owner: Process) -> None:
        for place, pair in owner.pairs.items():
            mine = heir.pairs.get(place, Pair())
            merged = pair.copy()
            merged.own = pair.own + mine.own
            merged.workers = pair.workers - mine.own
            if mine.flagged and not pair.flagged:  # by what it queried for an owner before this one
                merged.late, merged.flagged = mine.late, True
            merged.last, merged.order = max(pair.last, mine.last), max(pair.order, mine.order)
            merged.vague |= mine.vague
            heir.pairs[place] = merged
        heir.generations |= owner.generations if owner.looked else set()
        heir.listed_queried_at = max(heir.listed_queried_at, owner.listed_queried_at)
        heir.first_reads = {**owner.first_reads, **heir.first_reads}
        heir.looked |= owner.looked
        heir.opened |= owner.opened
        heir.split_is_open |= owner.split_is_open
