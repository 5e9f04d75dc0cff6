"""Laws that hold for every history: one story for two daemons, in two ways."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import chain

from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.doubles import ELSEWHERE, MILLISECOND, NEW, OLD, OTHER
from tests.support.world import World
from tracer.ledger.pair import Pair
from tracer.observation.values import Batch

Act = tuple[str, int, int]
PIDS = range(10, 14)
ADDRESSES = (OLD, NEW, OTHER, ELSEWHERE)
LISTS = ((OLD,), (NEW,), (OLD, NEW), (OTHER,))
ACTS = (
    "query",
    "query",
    "query",
    "query",
    "read",
    "check",
    "fork",
    "exit",
    "execute",
    "change",
    "wait",
    "wait",
    "tick",
    "tick",
)

acts = st.tuples(
    st.sampled_from(ACTS), st.sampled_from((10, 10, 10, 11, 11, 12, 13)), st.sampled_from((0, 0, 1, 1, 2, 3))
)
beginnings = st.sampled_from(
    [
        [],
        [("fork", 10, 1), ("read", 11, 0), ("fork", 11, 2)],
        [("query", 10, 0), ("change", 10, 1), ("wait", 10, 1), ("query", 10, 0), ("tick", 10, 0)],
        [("fork", 10, 1), ("query", 11, 0), ("change", 10, 1), ("wait", 10, 1), ("query", 11, 0), ("tick", 10, 0)],
    ]
)
stories = st.builds(lambda beginning, rest: beginning + rest, beginnings, st.lists(acts, max_size=40))
TICK: Act = ("tick", 10, 0)


class Story(World):
    """A world in which things happen farther apart than /proc can tell times."""

    def __init__(self, *, by_the_file: bool = False) -> None:
        """``by_the_file``: nobody queries a nameserver that is not in what its resolver state has read."""
        super().__init__(OLD, step=20 * MILLISECOND)
        self.order: random.Random | None = None
        self.by_the_file = by_the_file
        self.has_read: dict[int, frozenset[str]] = {}
        self.start(10)
        self.read(10)
        self.has_read[10] = frozenset({OLD})

    def arranged(self, batch: Batch) -> Batch:
        """Give them in an order of its own, if it has one."""
        if self.order is None:
            return batch
        observations = list(batch.observations)
        self.order.shuffle(observations)
        return replace(batch, observations=observations)

    def tell(self, act: Act, *, only_listed: bool = False) -> None:
        """Let one thing happen, if it can."""
        kind, pid, number = act
        if kind == "change":
            self.change(*LISTS[number])
        elif kind == "wait":
            self.clock.advance((1, 20, 130, 400)[number])
        elif kind == "tick":
            self.tick()
        elif pid in self.map.entries:
            self._act(kind, pid, number, only_listed=only_listed)

    def _act(self, kind: str, pid: int, number: int, *, only_listed: bool) -> None:
        if kind == "fork" and PIDS[number] not in self.map.entries:
            self.fork(pid, PIDS[number])
            self.has_read[PIDS[number]] = self.has_read[pid]
        elif kind == "query":
            address = ADDRESSES[number]
            listed = not only_listed or address in self.host.history.current.conf.listed
            if listed and (not self.by_the_file or address in self.has_read[pid]):
                self.query(pid, address, 2)
        elif kind == "read":
            self.read(pid)
            self.has_read[pid] = self.host.history.current.conf.listed
        elif kind == "check":
            self.check(pid)
        elif kind == "exit":
            self.exit(pid)
        elif kind == "execute":
            self.execute(pid)
            self.has_read[pid] = frozenset()

    def flags(self) -> set[tuple[int, str]]:
        """Tell which living process is flagged for what."""
        return {
            (process.pid, key.address)
            for process in self.ledger.evaluator.flagged
            if not process.is_worker
            for key, pair in process.pairs.items()
            if pair.evidence.flagged is not None
        }

    def counts(self) -> dict[int, object]:
        """Tell how each tracked process stands with each nameserver."""
        self.count_steady()
        return {
            process.pid: {
                key.address: (pair.state, pair.evidence.flagged, pair.evidence.last, _counts(pair))
                for key, pair in process.pairs.items()
            }
            for process in self.ledger.tracked
        }

    def shown(self) -> dict[int, object]:
        """Give what an administrator is shown of each tracked process."""
        self.count_steady()
        return {
            process.pid: (
                process.owner.pid,
                process.last_read,
                process.workers_seen,
                {
                    key.address: (pair.state, pair.evidence.flagged, pair.evidence.since_removed, _counts(pair))
                    for key, pair in process.pairs.items()
                },
            )
            for process in self.ledger.tracked
        }


def _counts(pair: Pair) -> list[tuple[int, int, int]]:
    return [(use.queries, use.worker_queries, use.since_removed) for use in pair.uses.values()]


@given(stories)
def test_a_process_that_queries_only_what_is_listed_is_never_flagged(story: list[Act]) -> None:
    """Whatever else happens: forks, changes, exits, waiting."""
    world = Story()
    for act in [*story, TICK]:
        world.tell(act, only_listed=True)
        assert world.flags() == set(), act


@given(stories)
def test_a_flag_ends_with_its_process(story: list[Act]) -> None:
    """And with its heirs, with or without a record."""
    world = Story()
    for act in story:
        world.tell(act)
    for pid in list(world.map.entries):
        world.exit(pid, recorded=pid % 2 == 0)
    for _ in range(3):
        world.tick()
    assert not len(world.ledger.processes)
    assert not world.ledger.evaluator.flagged


@given(stories, st.integers(0, 2**32))
def test_the_order_within_a_tick_does_not_matter(story: list[Act], seed: int) -> None:
    """The kernel's map gives its entries in any order, and records come by processor."""
    world, other = Story(), Story()
    other.order = random.Random(seed)  # noqa: S311 - to be repeatable
    for act in [*story, TICK]:
        world.tell(act)
        other.tell(act)
        assert world.shown() == other.shown(), act


STEADY: list[Act] = [*([("check", 10, 0), ("query", 10, 0), TICK, ("wait", 10, 0)] * 4), TICK, ("query", 10, 0)]
"""After this the kernel side counts on its own what 10 queries."""


@example([*STEADY, ("change", 10, 1), *[("query", 10, 0)] * 3])
@example([*STEADY, ("change", 10, 1), ("wait", 10, 2), *[("query", 10, 0)] * 2, TICK])
@example(
    [*STEADY, ("change", 10, 2), ("query", 10, 0), TICK, ("query", 10, 0), TICK, ("query", 10, 0), ("change", 10, 1)]
)
@example([*STEADY, ("read", 10, 0), ("query", 10, 0), TICK, ("query", 10, 0), TICK])
@example(
    [*STEADY, ("fork", 10, 1), ("query", 11, 0), TICK, ("query", 11, 0), TICK, TICK, ("query", 11, 0), ("exit", 10, 0)]
)
@example([*STEADY, ("execute", 10, 0), ("query", 10, 0), TICK])
@example([*STEADY, ("exit", 10, 0), TICK])
@given(stories.map(lambda story: STEADY + story))
def test_what_the_kernel_side_counts_on_its_own_is_not_missed(story: list[Act]) -> None:
    """Whoever queries what is listed may do so unobserved for as long as nothing changes: nobody can tell.

    A tick ends with each change and each wait: of one that goes on through them less is known.
    """
    world, other = Story(), Story()
    other.steady.room = False
    apart = [[TICK, act] if act[0] in {"change", "wait"} else [act] for act in [*story, TICK]]
    for act in chain.from_iterable(apart):
        world.tell(act)
        other.tell(act)
        if act == TICK:
            assert world.counts() == other.counts(), act
            assert world.ledger.queries_total == other.ledger.queries_total


@given(stories, st.lists(st.sampled_from(PIDS), max_size=5), st.integers(0, 50))
def test_more_evidence_never_takes_a_flag_away(story: list[Act], more: list[int], where: int) -> None:
    """Queries to the old nameserver that were not sent in the other story."""
    world, other = Story(), Story()
    where = min(where, len(story))
    for act in [*story, TICK]:
        world.tell(act)
    extra: list[Act] = [("query", pid, 0) for pid in more]
    for act in [*story[:where], *extra, *story[where:], TICK]:
        other.tell(act)
    assert {flag for flag in world.flags() if flag[1] == OLD} <= other.flags()


@given(stories, st.sets(st.integers(0, 50), max_size=5))
def test_a_restart_changes_nothing_that_is_shown(story: list[Act], restarts: set[int]) -> None:
    """At the end of any tick: what was saved and what /proc tells is enough.

    But for who queries what it never read: after a restart that is taken for a read that nobody saw.
    """
    world, other = Story(by_the_file=True), Story(by_the_file=True)
    for number, act in enumerate([*story, TICK, TICK]):
        world.tell(act)
        other.tell(act)
        assert world.shown() == other.shown(), act
        if act == TICK and number in restarts | {len(story)}:
            other.restart()
            world.tick()
            other.tick()
            assert world.shown() == other.shown(), "after the restart"


meanwhile_acts = st.lists(
    st.tuples(st.sampled_from(("fork", "exit")), st.sampled_from(PIDS), st.sampled_from((1, 2, 3))), max_size=5
)


@given(stories, meanwhile_acts, stories)
def test_who_is_forked_or_exits_while_no_daemon_runs_changes_no_flag(
    story: list[Act], meanwhile: list[Act], after: list[Act]
) -> None:
    """The daemon that comes back joins children to their parents' states, and lets heirs go on with them.

    But for a parent that forks and exits before it is back: of the child nobody saw from whom it was forked.
    """
    forked = {pid for kind, pid, _ in meanwhile if kind == "fork"}
    meanwhile = [act for act in meanwhile if act[0] == "fork" or act[1] not in forked]
    world, other = Story(by_the_file=True), Story(by_the_file=True)
    for act in [*story, TICK, TICK]:
        world.tell(act)
        other.tell(act)

    def without_daemon() -> None:
        for act in meanwhile:
            other.tell(act)

    for act in meanwhile:
        world.tell(act)
    other.restart(without_daemon)
    for act in [TICK, TICK, *after, TICK]:
        world.tell(act)
        other.tell(act)
        assert world.flags() == other.flags(), act


waves = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.booleans()), max_size=4)


@given(waves, waves, st.randoms(use_true_random=False))
@example([(0, 0, True), (0, 0, True)], [(0, 1, False), (1, 1, True)], random.Random(1))  # noqa: S311 - to be repeatable
@example([(0, 1, False), (0, 2, True)], [], random.Random(2))  # noqa: S311
def test_what_a_state_queried_does_not_depend_on_who_lives(
    before: list[tuple[int, int, bool]], after: list[tuple[int, int, bool]], order: random.Random
) -> None:
    """Members of one resolver state come and go, in any order and in any ticks: whoever is left is judged by all of it.

    Of each: from which of the living it is forked, how often it queries, and whether it exits within the same tick.
    Between the two waves the childless exit: heirs of one owner would go on with books of their own.
    """
    world = Story()
    members, parents, asked, pids = [10], {10: 0}, 0, iter(range(100, 200))

    def let_come(wave: list[tuple[int, int, bool]]) -> None:
        nonlocal asked
        for parent, number, exits in wave:
            pid = next(pids)
            parents[pid] = members[parent % len(members)]
            world.fork(parents[pid], pid)
            world.query(pid, OLD, number)
            asked += number
            if exits:
                world.exit(pid)
            else:
                members.append(pid)
        world.tick()

    def let_go(number: int, *, childless: bool) -> None:
        for _ in range(number):
            free = [one for one in members if not childless or one not in {parents[other] for other in members}]
            members.remove(left := order.choice(free))
            world.exit(left)
            if order.random() < 0.5:
                world.tick()

    let_come(before)
    world.change(NEW)
    world.past_grace()
    let_go(order.randrange(len(members)), childless=True)
    let_come(after)
    let_go(len(members) - 1, childless=False)
    world.tick()
    (left,) = members
    assert bool(world.flags()) is (sum(number for _, number, _ in after) >= 2)
    if asked:
        assert sum(world.queries(left)) == asked
