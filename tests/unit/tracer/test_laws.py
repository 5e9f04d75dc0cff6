"""Laws that hold for every history: stories of what processes do, told to one ledger, and to another in another way."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, cast

from doubles import ELSEWHERE, NEW, OLD, OTHER, FakeMap, World
from hypothesis import given, settings
from hypothesis import strategies as st

from tracer.ledger import Ledger
from tracer.lineage import Former, Lineage
from tracer.procfs import Identity, Procfs, Running
from tracer.rules import Policy
from tracer.store import SavedProcess, saved_process

Act = tuple[str, int, int]
PIDS = range(10, 14)
ADDRESSES = (OLD, NEW, OTHER, ELSEWHERE)
LISTS = ((OLD,), (NEW,), (OLD, NEW), (OTHER,))
ACTS = ("ask", "ask", "ask", "ask", "read", "fork", "end", "execute", "change", "wait", "wait", "tick", "tick")

acts = st.tuples(
    st.sampled_from(ACTS), st.sampled_from((10, 10, 10, 11, 11, 12, 13)), st.sampled_from((0, 0, 1, 1, 2, 3))
)
beginnings = st.sampled_from(
    [
        [],
        [("fork", 10, 1), ("read", 11, 0), ("fork", 11, 2)],
        [("ask", 10, 0), ("change", 10, 1), ("wait", 10, 1), ("ask", 10, 0), ("tick", 10, 0)],
        [("fork", 10, 1), ("ask", 11, 0), ("change", 10, 1), ("wait", 10, 1), ("ask", 11, 0), ("tick", 10, 0)],
    ]
)
stories = st.builds(lambda beginning, rest: beginning + rest, beginnings, st.lists(acts, max_size=40))


class Teller(World):
    """A world that is told a story, and whose daemon can be started anew."""

    def __init__(self) -> None:
        super().__init__(OLD)
        self._images: dict[int, bytes] = {}
        self._shuffle: random.Random | None = None
        self.start(10)
        self.read(10)

    def start(self, pid: int, birth: int = 0, **changes: int) -> None:
        """Start one, with an auxiliary vector of its own."""
        super().start(pid, birth, **changes)
        self._identify(pid, self.clock.now.to_bytes(8))

    def _identify(self, pid: int, image: bytes) -> None:
        self._images[pid] = image
        start = self.map.entries[pid].birth
        self.around.identities[pid] = Identity("getip", "/usr/bin/getip", 0, start=start, image=image)

    def tell(self, act: Act, *, only_listed: bool = False) -> None:
        """Let one thing happen, if it can."""
        kind, pid, number = act
        if kind == "change":
            self.change(*LISTS[number])
        elif kind == "wait":
            self.clock.advance((1, 20, 130, 400)[number])
        elif kind == "tick":
            self.tick()
        elif kind == "fork" and pid in self.map.entries and PIDS[number] not in self.map.entries:
            self.fork(pid, PIDS[number])
            self._identify(PIDS[number], self._images[pid])
        elif pid in self.map.entries:
            self._act(kind, pid, number, only_listed=only_listed)

    def _act(self, kind: str, pid: int, number: int, *, only_listed: bool) -> None:
        if kind == "ask":
            address = ADDRESSES[number]
            if not only_listed or address in self.host.history.current.conf.listed:
                self.ask(pid, address, 2)
        elif kind == "read":
            self.read(pid)
        elif kind == "end":
            self.end(pid, recorded=number > 0)
        elif kind == "execute":
            self.execute(pid)
            self._identify(pid, self.clock.now.to_bytes(8))

    def tick_in_any_order(self, rng: random.Random) -> None:
        """Take the tick's counts in another order than they came in."""
        items = list(self._asked.items())
        rng.shuffle(items)
        self._asked = dict(items)
        self.tick()

    def flags(self) -> set[tuple[int, str]]:
        """Tell which living process is flagged for what."""
        return {
            (process.pid, key.address)
            for process in self.ledger.processes.values()
            if not process.is_worker and process.pid in self.map.entries
            for key, pair in process.pairs.items()
            if pair.evidence.flagged is not None
        }

    def restart(self) -> None:
        """Start the daemon anew, as the engine does: what it knows is what was saved, and what runs."""
        saved = [one for process in self.ledger.processes.values() if (one := saved_process(process))]
        before, self.map = self.map, FakeMap()
        lineage = Lineage(self.map)
        former = {one.pid: _former(one) for one in saved}
        lineage.seed(cast("Procfs", _Running(before, self._images)), former, self.clock.now)
        self.ledger = Ledger(lineage, self.around, self.clock, Policy(), self.host)
        for one in saved:
            entry = self.map.process(one.pid)
            if entry is not None and entry.birth == one.start and one.image == self._images[one.pid].hex():
                self._restore(one, entry)
        for process in list(self.ledger.processes.values()):
            self.ledger.settle(process)

    def _restore(self, one: SavedProcess, entry: Any) -> None:
        process = self.ledger.keep(one.pid, entry)
        process.flags = one.flags
        process.note_reads(one.reads)
        process.checked, process.answered = one.checked, one.answered
        process.workers_seen, process.pairs = one.workers_seen, one.pairs
        process.view = self.host
        process.read_view = self.host if one.reads else None


def _former(one: SavedProcess) -> Former:
    image = bytes.fromhex(one.image) if one.image else None
    return Former(
        one.start, one.execs, image, one.owns_state, one.flags, max((read.at for read in one.reads), default=0)
    )


class _Running:
    """The part of /proc that seeding asks."""

    def __init__(self, before: FakeMap, images: dict[int, bytes]) -> None:
        self._entries, self._images = before.entries, images

    def pids(self) -> Iterator[int]:
        yield from self._entries

    def running(self, pid: int) -> Running:
        entry = self._entries[pid]
        return Running(pid, entry.parent_tgid, entry.birth, (1, 1, 1), self._images[pid])


@settings(deadline=None, max_examples=300)
@given(stories)
def test_who_only_asks_what_is_listed_is_never_flagged(story: list[Act]) -> None:
    """Whatever else happens: forks, changes, ends, waiting."""
    world = Teller()
    for act in [*story, ("tick", 10, 0)]:
        world.tell(act, only_listed=True)
        assert world.flags() == set(), act


@settings(deadline=None, max_examples=300)
@given(stories)
def test_a_flag_ends_with_its_process(story: list[Act]) -> None:
    """And with its heirs, told of by a record or not."""
    world = Teller()
    for act in story:
        world.tell(act)
    for pid in list(world.map.entries):
        world.end(pid, recorded=pid % 2 == 0)
    for _ in range(3):
        world.tick()
    assert not world.ledger.processes


@settings(deadline=None, max_examples=300)
@given(stories, st.integers(0, 2**32))
def test_the_order_within_a_tick_does_not_matter(story: list[Act], seed: int) -> None:
    """The kernel's map gives its entries in any order."""
    rng = random.Random(seed)  # noqa: S311 - to be repeatable
    world, other = Teller(), Teller()
    for act in [*story, ("tick", 10, 0)]:
        world.tell(act)
        if act[0] == "tick":
            other.tick_in_any_order(rng)
        else:
            other.tell(act)
        assert world.flags() == other.flags(), act


@settings(deadline=None, max_examples=300)
@given(stories, st.lists(st.sampled_from(PIDS), max_size=5), st.integers(0, 50))
def test_more_evidence_never_takes_a_flag_away(story: list[Act], more: list[int], where: int) -> None:
    """Queries to the old nameserver that were not sent in the other story."""
    world, other = Teller(), Teller()
    where = min(where, len(story))
    for act in [*story, ("tick", 10, 0)]:
        world.tell(act)
    extra: list[Act] = [("ask", pid, 0) for pid in more]
    for act in [*story[:where], *extra, *story[where:], ("tick", 10, 0)]:
        other.tell(act)
    assert {flag for flag in world.flags() if flag[1] == OLD} <= other.flags()


@settings(deadline=None, max_examples=300)
@given(stories, st.sets(st.integers(0, 50), max_size=5))
def test_a_restart_neither_raises_a_flag_nor_loses_one(story: list[Act], restarts: set[int]) -> None:
    """At the end of any tick: what was saved and what runs is enough."""
    world, other = Teller(), Teller()
    for number, act in enumerate([*story, ("tick", 10, 0), ("tick", 10, 0)]):
        world.tell(act)
        other.tell(act)
        assert world.flags() == other.flags(), act
        if act[0] == "tick" and number in restarts | {len(story)}:
            other.restart()
            for _ in range(2):  # an end that no record told of is found by both
                world.tick()
                other.tick()
            assert world.flags() == other.flags(), "after the restart"
