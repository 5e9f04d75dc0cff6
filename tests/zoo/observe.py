"""Runs cases through the change, all of a round at once, under one daemon, and keeps what was seen of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from exporter.demo.lab import NEW, NEW_ANSWER, OLD, OLD_ANSWER, Nameserver, Program, World
from tests.support.tracing import Daemon, daemon
from tests.zoo.case import Case, Cure, Site

Row = dict[str, Any]
_EVERY_SECONDS = 0.2
_START_SECONDS = 40.0
_WATCH_SECONDS = 10.0
"""How long everyone is watched after the change at the least: longer than the grace of a short list, and Go's 5 s."""
_ENOUGH = 4
"""Queries after the grace, at the nameserver that must get them."""
_WORST = ["stale", "outdated", "grace", "suspect", "quiet", "unlisted", "current", "retired"]


@dataclass
class Place:
    """A site at work."""

    site: Site
    world: World
    old: Nameserver
    new: Nameserver

    def queries(self, domain: str) -> dict[str, int]:
        """Count the queries for a domain, and for names below it, by nameserver, as these logged them."""
        return {
            server.address: sum(
                query.name.lower() == domain or query.name.lower().endswith(f".{domain}") for query in server.queries()
            )
            for server in (self.old, self.new)
        }


@dataclass
class Observed:
    """One case, and all that was seen of it."""

    case: Case
    place: Place
    program: Program
    before: list[Row] = field(default_factory=list)
    """Its rows in the last sample before the change."""
    check_before: Row = field(default_factory=dict)
    """The whole of that sample."""
    states: list[tuple[float, set[str]]] = field(default_factory=list)
    """The states of its processes in each sample: seconds after the change (negative: before), states."""
    passed: list[Row] = field(default_factory=list)
    """Its rows in the states that it was seen in, the first of each."""
    final: list[Row] = field(default_factory=list)
    queried_after_grace: dict[str, int] = field(default_factory=dict)
    cured: list[Row] = field(default_factory=list)
    queried_when_cured: dict[str, int] = field(default_factory=dict)

    @property
    def row(self) -> Row:
        """The row that matters in the end: of an owner or a process of its own, the worst."""
        assert self.final, f"{self.case.name} is not in the table; it printed:\n{self.program.output()[-2000:]}"
        return worst(self.final)

    @property
    def ever(self) -> set[str]:
        """Every state that any of its processes was in, in any sample."""
        return set().union(*(states for _, states in self.states))

    def story(self) -> str:
        """Tell when its states changed, and give its rows in the end."""
        turns = [now for before, now in pairwise([(0.0, set[str]()), *self.states]) if before[1] != now[1]]
        times = [f"{since:.1f} s: {', '.join(sorted(states)) or 'no row'}" for since, states in turns]
        return "\n".join([*times, f"in the end, {self.states[-1][0]:.1f} s:", *map(str, self.final)])

    def rows_in(self, rows: Iterable[Row]) -> list[Row]:
        """Pick its processes' rows."""
        pids = descendants(self.program.pid)
        return [row for row in rows if row["pid"] in pids and self.case.comm in {None, row["comm"]}]


def worst(rows: list[Row]) -> Row:
    """Give the worst row; of equals the one that queried most."""
    return min(
        rows,
        key=lambda row: (row["worker"], _WORST.index(row["state"]), -sum(use["queries"] for use in row["nameservers"])),
    )


def descendants(pid: int) -> set[int]:
    """Give the pids of a process and of all that it started and that live."""
    found = {pid}
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found |= descendants(child)
    return found


class Round:
    """Cases that go through the change together."""

    def __init__(self, running: Daemon) -> None:
        self.running = running
        self.observed: list[Observed] = []
        self.changed: float | None = None
        self.check: Row = {}

    def sample(self) -> None:
        """Look once, and note everybody's states."""
        self.check = self.running.check()
        rows = self.check["processes"]
        since = time.monotonic() - self.changed if self.changed is not None else -1.0
        for one in self.observed:
            one.final = one.rows_in(rows)
            one.passed += [row for row in one.final if row["state"] not in one.ever]
            one.states.append((since, {row["state"] for row in one.final}))

    def watch_until(self, test: Callable[[], bool], seconds: float) -> None:
        """Sample until a test passes or the time is over: what was missing shows in the cases' own tests."""
        deadline = time.monotonic() + seconds
        while True:
            self.sample()
            if test() or time.monotonic() > deadline:
                return
            time.sleep(_EVERY_SECONDS)


def is_ready(one: Observed) -> bool:
    """Say whether a case queries the old nameserver, and is seen to."""
    if one.case.queried == "nobody" or not one.case.tracked:
        return bool(one.final) or not one.case.born
    queried = one.place.queries(one.case.domain)
    return sum(queried.values()) > 0 and bool(one.final) and len(one.row["reads"]) >= one.case.reads


def is_settled(one: Observed) -> bool:
    """Say whether a case is in the state expected, and has queried what it must."""
    case, queried = one.case, one.queried_after_grace
    enough = {
        "old": queried.get(OLD, 0) >= _ENOUGH,
        "new": queried.get(NEW, 0) >= _ENOUGH,
        "both": min(queried.get(OLD, 0), queried.get(NEW, 0)) >= 1,
        "nobody": True,
    }[case.queried]
    if not case.tracked:
        return enough
    return enough and bool(one.final) and one.row["state"] == case.expected.state


def observe(
    directory: Path, cases: Sequence[Case], *, grace: float = 1.0, watched_before: float = 0.0
) -> dict[str, Observed]:
    """Start the cases, change their files, watch, restart those that are stale, and give what was seen, by name.

    ``watched_before``: for how many seconds all of them are watched before the (last) change.
    """
    with ExitStack() as stack:
        sites = {case.site.name: case.site for case in cases}
        hosts = [site for site in sites.values() if site.is_host]
        places = {site.name: stack.enter_context(_place(site)) for site in hosts}
        host = places[hosts[0].name].world.pid if hosts else None
        running = stack.enter_context(daemon(directory, grace=grace, host=host))
        for site in sites.values():
            if site not in hosts:
                places[site.name] = stack.enter_context(_place(site))
        turn = Round(running)
        began = time.monotonic()
        for number in range(max(len(site.between) for site in sites.values()) + 1):
            if number:
                _change_between(turn, places, number - 1)
            _start(turn, places, [case for case in cases if case.born == number])
        turn.watch_until(lambda: False, watched_before)
        _await_reads(turn)
        early = max(case.early for case in cases)
        turn.watch_until(lambda: time.monotonic() > began + early, early)
        for one in turn.observed:
            one.before, one.check_before = one.final, turn.check
        _change(turn, places)
        _cure(turn)
        return {one.case.name: one for one in turn.observed}


@contextmanager
def _place(site: Site) -> Iterator[Place]:
    with site.surround(), World([OLD, NEW, *site.addresses], site.before) as world:
        place = Place(
            site,
            world,
            old=world.nameserver(OLD, {"hat.com": OLD_ANSWER}),
            new=world.nameserver(NEW, {"hat.com": NEW_ANSWER}),
        )
        site.prepare(world)
        yield place


def _start(turn: Round, places: dict[str, Place], cases: Sequence[Case]) -> None:
    for case in cases:
        place = places[case.site.name]
        turn.observed.append(Observed(case, place, case.start(place.world, case.domain)))
    turn.watch_until(lambda: all(map(is_ready, turn.observed)), _START_SECONDS)


def _await_reads(turn: Round) -> None:
    """Wait until whoever is to be seen between two reads has just read."""
    early = {one.case.name: one.row["last_read"] for one in turn.observed if one.case.reads}

    def have_read() -> bool:
        return all(one.row["last_read"] != early[one.case.name] for one in turn.observed if one.case.reads)

    if early:
        turn.watch_until(have_read, _START_SECONDS)


def _change_between(turn: Round, places: dict[str, Place], number: int) -> None:
    """Write the next list of those whose file changes more than once, and wait until each is noticed."""
    turn.changed = turn.changed or time.monotonic()
    for place in places.values():
        lists = (*place.site.between, place.site.after)
        if place.site.between and number < len(lists):
            place.site.change(place.world, lists[number])
            first = next(one for one in turn.observed if one.place is place)
            turn.running.wait_for_generation(worst(first.final)["view"], number + 2, _START_SECONDS)


def _change(turn: Round, places: dict[str, Place]) -> None:
    turn.changed = turn.changed or time.monotonic()
    longest = max(len(place.site.between) for place in places.values())
    for place in places.values():
        if len(place.site.between) in {0, longest}:  # the others have come to their last already
            place.site.change(place.world, place.site.after)
    turn.watch_until(lambda: False, _WATCH_SECONDS)
    at_grace_end = {one.case.name: one.place.queries(one.case.domain) for one in turn.observed}

    def settled() -> bool:
        for one in turn.observed:
            now, then = one.place.queries(one.case.domain), at_grace_end[one.case.name]
            one.queried_after_grace = {address: now[address] - then[address] for address in now}
        return all(map(is_settled, turn.observed))

    turn.watch_until(settled, max(one.case.final_seconds for one in turn.observed))


def _restart(case: Case) -> Cure:
    def restart(world: World, program: Program) -> Program:
        program.stop()
        return case.start(world, case.domain)

    return restart


def _cure(turn: Round) -> None:
    """Restart or reload them as an administrator would, until they query the new nameserver, and show it."""
    chosen = [one for one in turn.observed if one.case.recovers]
    found = {one.case.name: one.final for one in turn.observed}
    queried: dict[str, dict[str, int]] = {}
    for one in chosen:
        queried[one.case.name] = one.place.queries(one.case.domain)  # what a reload makes query queries at once
        one.program = (one.case.cure or _restart(one.case))(one.place.world, one.program)
        if not one.case.cure:
            queried[one.case.name] = one.place.queries(one.case.domain)

    def asks_again() -> bool:
        for one in chosen:
            now, then = one.place.queries(one.case.domain), queried[one.case.name]
            one.queried_when_cured = {address: now[address] - then[address] for address in now}
        return all(
            one.queried_when_cured[NEW] >= 1 and one.final and not any(row["state"] == "stale" for row in one.final)
            for one in chosen
        )

    if chosen:
        turn.watch_until(asks_again, _START_SECONDS)
    for one in turn.observed:
        one.cured, one.final = one.final, found[one.case.name]
