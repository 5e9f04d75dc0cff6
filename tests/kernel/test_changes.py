"""Ways of changing resolv.conf: every change is noticed, what is none is not, and only who stays behind is flagged."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from exporter.demo.lab import NAME, NEW, OLD, WAYS, Experiment, Program, Way, experiment, wait_until
from tests.support.building import build
from tests.support.tracing import SHORT, Daemon, addresses, daemon

NO_RELOAD = {"RES_OPTIONS": "no-reload"}
GRACE = 2.0
NOTICED_SECONDS = 1.0
"""A change is noticed within this time."""
DELETION = "deletion"
_CHANGED = re.compile(r"^timestamp=(\S+) .*event=changed view=(\S+) .*generation=(\d+)", re.MULTILINE)


def listing(*nameservers: str) -> str:
    """Give a resolv.conf under which no lookup takes longer than GRACE."""
    return "".join([*(f"nameserver {address}\n" for address in nameservers), SHORT])


def start(lab: Experiment, *, no_reload: bool) -> Program:
    """Start a process that looks up a name every 50 ms."""
    return lab.world.start([build("getaddrinfo_loop"), NAME, "50"], NO_RELOAD if no_reload else None)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Give a daemon that all tests share."""
    with daemon(tmp_path_factory.mktemp("changes"), grace=GRACE) as started:
        yield started


@contextmanager
def world(way: str = "rename") -> Iterator[Experiment]:
    """Make a world whose resolv.conf lists the old nameserver, behind a link if that is to change so."""
    with experiment() as made:
        made.world.write_resolv_conf(listing(OLD), "symlink-target" if way == "symlink-target" else "rename")
        yield made


@pytest.fixture(scope="module")
def worlds() -> Iterator[ExitStack]:
    """Keep every world until the end: the kernel gives the numbers of one that is gone to the next."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def lab(worlds: ExitStack) -> Iterator[Experiment]:
    """Give one world."""
    made = worlds.enter_context(world())
    yield made
    end_programs(made)


@pytest.fixture
def labs(worlds: ExitStack) -> Iterator[dict[str, Experiment]]:
    """Give a world for each way of changing the file."""
    made = {way: worlds.enter_context(world(way)) for way in (*WAYS, DELETION)}
    yield made
    for lab in made.values():
        end_programs(lab)


def end_programs(lab: Experiment) -> None:
    """Leave nothing of a world but its namespaces."""
    for program in lab.world._programs:
        program.kill()


def change(lab: Experiment, way: str) -> None:
    """Take the old nameserver from the list."""
    if way == DELETION:
        lab.world.delete_resolv_conf()
    else:
        how: Way = next(one for one in WAYS if one == way)
        lab.world.write_resolv_conf(listing(NEW), how)


def view_of(running: Daemon, program: Program) -> str:
    """Give the view of a process, once it is tracked."""
    return str(running.wait_for_state(program.pid, "current", 5)["view"])


def view(running: Daemon, name: str) -> dict[str, Any]:
    """Give a view by its name."""
    return next(dict(one) for one in running.check()["views"] if one["id"] == name)


def noticed(log: str) -> dict[tuple[str, int], float]:
    """Give when each generation was noticed, as the daemon logged it: seconds since the Unix epoch."""
    return {(view, int(number)): datetime.fromisoformat(at).timestamp() for at, view, number in _CHANGED.findall(log)}


def states_until(
    running: Daemon, pids: Collection[int], done: Callable[[dict[int, str]], object], timeout: float
) -> dict[int, set[str]]:
    """Ask for the states of processes until they are `done`; gives every state that was seen of each."""
    seen: dict[int, set[str]] = {pid: set() for pid in pids}

    def sample() -> object:
        now = {row["pid"]: str(row["state"]) for row in running.check()["processes"] if row["pid"] in pids}
        for pid, state in now.items():
            seen[pid].add(state)
        return done(now)

    wait_until(sample, timeout, f"the end of watching {sorted(pids)}")
    return seen


def shows_later_than(running: Daemon, moment: float) -> bool:
    """Say whether the daemon's snapshot is of later than a moment."""
    return datetime.fromisoformat(running.check()["time"]).timestamp() > moment


def wait_for_a_look(running: Daemon) -> None:
    """Wait until the daemon shows what it must have noticed of what has happened so far."""
    late_enough = time.time() + NOTICED_SECONDS
    wait_until(lambda: shows_later_than(running, late_enough), 5, "a later snapshot")


def test_every_change_is_noticed_within_a_second(labs: dict[str, Experiment], running: Daemon) -> None:
    """No process opens the file here: the daemon looks by itself."""
    views = {way: view_of(running, start(lab, no_reload=True)) for way, lab in labs.items()}
    changed = {}
    for way, lab in labs.items():
        changed[way] = time.time()
        change(lab, way)
    for name in views.values():
        running.wait_for_generation(name, 2, 3)
    at = noticed(running.log())
    lateness = {way: at[views[way], 2] - changed[way] for way in labs}
    assert max(lateness.values()) < NOTICED_SECONDS, lateness

    shown = {one["id"]: one["nameservers"] for one in running.check()["views"]}
    assert {way: shown[views[way]] for way in labs} == {
        way: ["127.0.0.1"] if way == DELETION else [NEW] for way in labs
    }


def test_only_who_stays_behind_is_flagged(labs: dict[str, Experiment], running: Daemon) -> None:
    """By whichever way the file changes: a glibc that re-reads it is well in every sample, one that does not is not."""
    frozen = {start(lab, no_reload=True).pid: way for way, lab in labs.items()}
    healthy = {start(lab, no_reload=False).pid: way for way, lab in labs.items()}
    pids = frozen | healthy
    states_until(running, pids, lambda now: now == dict.fromkeys(pids, "current"), 10)
    deleted = str((running.row(next(pid for pid, way in frozen.items() if way == DELETION)) or {})["view"])

    for way, lab in labs.items():
        change(lab, way)
    running.wait_for_generation(deleted, 2, 3)
    labs[DELETION].change()
    running.wait_for_generation(deleted, 3, 3)

    expected = dict.fromkeys(frozen, "stale") | dict.fromkeys(healthy, "current")
    seen = states_until(running, pids, lambda now: now == expected, 12)
    assert {way: seen[pid] for pid, way in healthy.items() if not seen[pid] <= {"current", "grace"}} == {}
    for pid, way in healthy.items():
        uses = addresses(running.row(pid) or {})
        assert (way, uses.pop("127.0.0.1", "retired")) == (way, "retired")
        assert (way, uses) == (way, {OLD: "retired", NEW: "current"})


@pytest.mark.parametrize("again", [OLD, NEW])
def test_the_empty_moment_of_a_writer_in_place_is_no_generation(lab: Experiment, running: Daemon, again: str) -> None:
    """Truncated, looked at, and then written: nothing happened, or one change and not two."""
    name = view_of(running, start(lab, no_reload=True))
    path = lab.world.path("/etc/resolv.conf")
    with path.open("r+") as file:
        file.truncate()
        # The moment itself: longer than from one look of the daemon to the next.
        time.sleep(0.3)
        file.write(listing(again))
    wait_for_a_look(running)
    seen = view(running, name)
    assert [one["nameservers"] for one in seen["history"]] == ([[OLD]] if again == OLD else [[OLD], [NEW]])
    assert seen["nameservers"] == [again]


def test_the_same_list_written_again_is_no_generation(labs: dict[str, Experiment], running: Daemon) -> None:
    """Neither the same bytes, by whichever way, nor other words around the same list."""
    programs = {way: start(lab, no_reload=True) for way, lab in labs.items()}
    views = {way: view_of(running, program) for way, program in programs.items()}
    for way in WAYS:
        labs[way].world.write_resolv_conf(listing(OLD), way)
    labs[DELETION].world.write_resolv_conf(f"# by hand\n{listing(OLD)}search lab.example\n")
    wait_for_a_look(running)
    histories = {way: view(running, name)["history"] for way, name in views.items()}
    assert {way: len(history) for way, history in histories.items()} == dict.fromkeys(labs, 1), histories
    states = {way: (running.row(program.pid) or {})["state"] for way, program in programs.items()}
    assert states == dict.fromkeys(labs, "current")


def test_what_takes_nothing_from_the_list_makes_nobody_stale(labs: dict[str, Experiment], running: Daemon) -> None:
    """Neither another order, nor putting back within the grace: queries meanwhile are forgotten."""
    swapped, put_back = labs["rename"], labs["in-place"]
    swapped.world.write_resolv_conf(listing(OLD, NEW))
    programs = {lab: (start(lab, no_reload=True), start(lab, no_reload=False)) for lab in (swapped, put_back)}
    pids = [program.pid for both in programs.values() for program in both]
    views = {lab: view_of(running, frozen) for lab, (frozen, _) in programs.items()}

    put_back.world.write_resolv_conf(listing(NEW))
    running.wait_for_state(programs[put_back][0].pid, "grace", 3)
    put_back.world.write_resolv_conf(listing(OLD))
    swapped.world.write_resolv_conf(listing(NEW, OLD))
    running.wait_for_generation(views[put_back], 3, 3)
    running.wait_for_generation(views[swapped], 2, 3)
    # One lookup under two nameservers, and so the grace, could last twice as long as under one.
    end = time.time() + 2 * GRACE + 1
    seen = states_until(running, pids, lambda _: shows_later_than(running, end), 10)
    # A process that queried the new nameserver meanwhile has sent nothing since, until its next lookup.
    healthy = programs[put_back][1]
    assert seen.pop(healthy.pid) <= {"quiet", "current"}
    assert set().union(*seen.values()) == {"current"}
    assert (running.row(healthy.pid) or {})["state"] == "current"

    frozen, healthy = programs[swapped]
    assert addresses(running.row(frozen.pid) or {}) == {OLD: "current"}
    assert addresses(running.row(healthy.pid) or {}) == {OLD: "current", NEW: "current"}
    [use] = (running.row(programs[put_back][0].pid) or {})["nameservers"]
    assert (use["state"], use["queries_since_removed"]) == ("current", 0)
    history = view(running, views[put_back])["history"]
    assert [one["nameservers"] for one in history] == [[OLD], [NEW], [OLD]]


def test_a_view_whose_name_is_given_again_has_no_past(running: Daemon) -> None:
    """The kernel numbers a new mount namespace like one that is just gone: its file is another all the same."""

    def has_one_generation_in_each_world() -> bool:
        with world() as first:
            before = view_of(running, start(first, no_reload=True))
            first.world.write_resolv_conf(listing(NEW))
            running.wait_for_generation(before, 2, 3)
        with world() as second:
            after = view_of(running, start(second, no_reload=True))
            assert [one["nameservers"] for one in view(running, after)["history"]] == [[OLD]]
        return after == before

    # Somebody else on the machine may have been given the numbers.
    wait_until(has_one_generation_in_each_world, 20, "the numbers to be given again")


def test_a_view_outlives_the_last_process_that_was_seen_in_it(lab: Experiment, running: Daemon) -> None:
    """A process that is restarted finds the generations that its predecessor saw, also without queries meanwhile."""
    first = start(lab, no_reload=True)
    name = view_of(running, first)
    lab.world.write_resolv_conf(listing(NEW))
    running.wait_for_generation(name, 2, 3)
    first.stop()
    running.wait_until_gone(first.pid, 3)

    second = start(lab, no_reload=True)
    assert view_of(running, second) == name
    assert [one["nameservers"] for one in view(running, name)["history"]] == [[OLD], [NEW]]
    assert (running.row(second.pid) or {})["last_read"]["generation"] == 2


READS_AND_CALLS_CHROOT = f"""
import os, socket, time
open("/etc/resolv.conf").read()
os.makedirs("/run/jail")
os.chroot("/run/jail")
print("inside", flush=True)
nameserver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
nameserver.connect(("{OLD}", 53))
while True:
    nameserver.send(bytes(32))
    time.sleep(0.2)
"""


def test_who_called_chroot_before_anybody_looked_is_judged_by_what_it_read(tmp_path: Path) -> None:
    """HAProxy does, within a millisecond; the daemon may not have run by then."""
    with world() as lab, daemon(tmp_path) as running:
        other = start(lab, no_reload=False)
        view = running.wait_for_state(other.pid, "current", 10)["view"]
        running.process.send_signal(signal.SIGSTOP)
        try:
            program = lab.world.start([sys.executable, "-I", "-c", READS_AND_CALLS_CHROOT])
            program.wait_for_line("inside")
        finally:
            running.process.send_signal(signal.SIGCONT)
        row = running.wait_for_state(program.pid, "current", 10)
        assert (row["view"], row["last_read"]["generation"]) == (view, 1)
