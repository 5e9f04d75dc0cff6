"""Who would follow a change of resolv.conf, from what was seen before it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.doubles import ELSEWHERE, NEW, OLD
from tests.support.world import World
from tracer.identity import Identity
from tracer.kernel.records import Lookup, Service
from tracer.ledger.plain import dump, load
from tracer.observation.forwarders import Forwarding
from tracer.report.follows import follows
from tracer.report.services import LookupServices
from tracer.resolvconf.history import SECOND
from tracer.verdict.following import Because, Facts, Follows, QueryPattern, would_follow
from tracer.verdict.verdict import Queries

Step = Callable[[World, int], None]


def ask(world: World, _second: int) -> None:
    """Query, without a look at the file."""
    world.query(10)


def check_and_ask(world: World, _second: int) -> None:
    """Do as glibc does."""
    world.check(10)
    world.query(10, times=2)


def read_and_ask(world: World, _second: int) -> None:
    """Do as musl does."""
    world.read(10)
    world.query(10, times=2)


def test_a_look_after_the_last_query_that_was_counted_tells_nothing() -> None:
    """Of a steady pair, whose queries are counted before its looks: it is known to look first, and remains so."""
    pattern = QueryPattern()
    for second in range(5):
        at = second * SECOND
        pattern.add(Queries(1, at + 1000, at + 1000), at + 500)
    for second in range(10, 200, 10):
        at = second * SECOND
        pattern.add(Queries(50, at - 10 * SECOND + 1000, at + 1000), at + 2000, complete=True)
    assert would_follow(pattern, Facts()).because is Because.LOOKS_FIRST


def every(seconds: int, look: Callable[[World, int], object]) -> Step:
    """Query each second, and look at the file every so many."""

    def step(world: World, second: int) -> None:
        if second % seconds == 0:
            look(world, 10)
        world.query(10, lookup=Lookup.BY_ITSELF)

    return step


def world_of_reader() -> World:
    """Give a world with one process, pid 10, that has read the file when it started."""
    world = World()
    world.start(10)
    world.read(10)
    return world


def run(world: World, seconds: int, step: Step) -> None:
    """Let seconds pass, each with what the process does in it."""
    for second in range(seconds):
        step(world, second)
        world.tick(1)


def answer(world: World, pid: int = 10) -> tuple[str, str]:
    """Tell whether a process would follow, and why."""
    return follows(world.process(pid), LookupServices(world.ledger.tracked), 0)


@pytest.mark.parametrize(
    ("step", "seconds", "expected", "reason"),
    [
        (check_and_ask, 5, "yes", "checks the file before it queries"),
        (read_and_ask, 5, "yes", "reads the file before it queries"),
        (every(5, World.check), 40, "yes", "checks the file every 5 s: it follows within that if the file's mtime"),
        (every(60, World.read), 200, "yes", "re-reads the file every 60 s"),
        (ask, 40, "no", "sent 40 queries over 39 s without checking or re-reading the file"),
        (ask, 20, "unknown", "sent 20 queries over 19 s since it last checked the file: too few to tell"),
        (lambda *_: None, 5, "unknown", "has queried no listed server"),
        (
            lambda world, second: world.query(10) if second % 20 == 0 else None,
            61,
            "unknown",
            "sent 4 queries over 60 s",
        ),
    ],
)
def test_what_a_process_does_tells(step: Step, seconds: int, expected: str, reason: str) -> None:
    """Who looks before it queries, or at a steady pace, follows; who queries for long without a look stays."""
    world = world_of_reader()
    run(world, seconds, step)
    found, why = answer(world)
    assert (found, reason in why) == (expected, True), why


def test_one_that_ceases_to_look_is_said_to_stay() -> None:
    """A pace that is overdue tells no more that it follows."""
    world = world_of_reader()
    run(world, 40, every(5, World.read))
    assert answer(world)[0] == "yes"
    run(world, 35, ask)
    assert answer(world)[0] == "no"


def test_a_reload_now_and_then_is_no_pace() -> None:
    """An administrator who reloads it is not there at the next change."""
    world = world_of_reader()
    for pause in (100, 40, 300):
        run(world, pause, ask)
        world.try_socket(10, Service.NSCD, answered=False)
        world.read(10)
    run(world, 40, ask)
    assert answer(world)[0] == "no"


def test_a_second_resolver_that_never_looks_is_not_hidden_by_one_that_does() -> None:
    """Node's dns.lookup and dns.resolve: nobody knows which would be missed."""
    world = world_of_reader()

    world.try_socket(10, Service.NSCD, answered=False)

    def step(world: World, second: int) -> None:
        check_and_ask(world, second)
        world.query(10, stray=True)

    run(world, 40, step)
    assert answer(world) == (
        "unknown",
        "checks the file before some of its queries only: a second resolver in it may stay",
    )


def test_a_parents_resolver_may_stay_in_a_child_that_looks() -> None:
    """spamd: the child read the file once for glibc, and queries by what the master set up."""
    world = world_of_reader()
    run(world, 2, ask)
    world.fork(10, 11)
    world.read(11)
    for _ in range(5):
        world.check(11)
        world.query(11)
        world.tick(1)
    found, why = answer(world, 11)
    assert (found, "its parent read it before" in why) == ("unknown", True)
    world.change(NEW)
    world.read(11)
    for _ in range(5):
        world.check(11)
        world.query(11, NEW)
        world.tick(1)
    assert answer(world, 11) == ("yes", "checks the file before it queries"), "it has followed a change since"


def test_a_look_long_before_a_query_may_be_another_resolvers() -> None:
    """Spamd again: glibc checks the file for a name of /etc/hosts, and milliseconds later Net::DNS queries."""
    world = world_of_reader()
    world.try_socket(10, Service.NSCD, answered=False)

    def step(world: World, _second: int) -> None:
        world.check(10)
        world.clock.advance(0.003)
        world.query(10)

    run(world, 10, step)
    found, why = answer(world)
    assert (found, "another resolver in it may check" in why) == ("unknown", True)


def test_a_forwarder_that_goes_by_resolv_conf_is_known() -> None:
    """aardvark-dns: it read the file once, and queries what that lists."""
    world = world_of_reader()
    world.machine.forwards[10] = Forwarding(forwards=True, serves=frozenset({"192.0.2.1"}))
    run(world, 40, ask)
    assert answer(world)[0] == "no"


def test_one_whose_upstreams_are_not_known_is_not() -> None:
    """Seen first when it ran already: what it read before, nobody knows."""
    world = World()
    world.start(10)
    world.machine.forwards[10] = Forwarding(forwards=True, serves=frozenset({"192.0.2.1"}))
    run(world, 40, ask)
    assert answer(world) == (
        "unknown",
        "queries on behalf of others: it is not known where it takes its upstreams from",
    )


def test_a_busy_daemon_takes_no_slow_tick_for_silence() -> None:
    """Of a tick of seconds only the looks before its first query are known."""
    world = world_of_reader()
    for _ in range(6):
        world.check(10)
        world.query(10)
        for _ in range(20):
            world.clock.advance(0.5)
            world.check(10)
            world.query(10)
        world.tick(0)
    assert answer(world) == ("yes", "checks the file before it queries")


def test_what_the_file_never_listed_tells_nothing() -> None:
    """A nameserver of its own configuration is queried without a look, whatever its resolver does."""
    world = world_of_reader()

    def step(world: World, second: int) -> None:
        world.query(10, ELSEWHERE, 3)
        if second % 4 == 0:
            check_and_ask(world, second)

    run(world, 40, step)
    assert answer(world) == ("yes", "checks the file before it queries")


def test_a_stale_process_stays() -> None:
    """It has done so already."""
    world = World()
    world.start(10)
    world.make_stale(10)
    assert answer(world) == ("no", "is stale: it stayed on a server that was removed")


def test_one_that_inotify_tells_of_changes_has_to_follow_one_to_be_known() -> None:
    """c-ares 1.29 and later watches the file with inotify(7), and looks at it never."""
    world = world_of_reader()
    run(world, 40, ask)
    assert [one.pid for one in world.ledger.perhaps_frozen()] == []
    world.query(10)
    world.ledger.note_change(world.process(10))
    assert [one.pid for one in world.ledger.perhaps_frozen()] == [10]
    world.ledger.note_watching(world.process(10), watches=True)
    assert answer(world)[0] == "unknown"
    world.change(NEW)
    world.clock.advance(2)
    world.read(10)
    run(world, 40, lambda world, _: world.query(10, NEW))
    assert answer(world) == ("yes", "re-read the file within 3 s of its change (generation 2)")


def test_one_that_stayed_at_the_change_is_not_said_to_have_followed_it() -> None:
    """It re-read the file, and went on by another path; the nameserver is listed again now."""
    world = world_of_reader()
    run(world, 5, ask)
    world.change(NEW)
    world.read(10)
    run(world, 40, ask)
    assert answer(world) == ("no", "is stale: it stayed on a server that was removed")
    world.change(OLD)
    run(world, 5, ask)
    assert answer(world)[0] == "no"


def test_a_32_bit_program_is_not_known() -> None:
    """Neither its stats nor its reads are seen."""
    world = world_of_reader()
    run(world, 40, ask)
    process = world.process(10)
    assert would_follow(process.query_pattern, Facts(seen=False)).because is Because.UNSEEN


def test_an_owner_answers_for_its_workers() -> None:
    """sendmail: each job is a child that queries with what the parent read."""
    world = world_of_reader()
    for second in range(40):
        pid = 100 + second
        world.fork(10, pid)
        world.query(pid)
        world.exit(pid)
        world.tick(1)
    assert answer(world)[0] == "no"


def test_an_owner_whose_workers_look_follows() -> None:
    """httpd: each child does a stat before its lookup."""
    world = world_of_reader()
    world.fork(10, 11)
    world.fork(10, 12)
    for second in range(10):
        pid = 11 + second % 2
        world.check(pid)
        world.query(pid)
        world.tick(1)
    assert [answer(world, pid)[0] for pid in (10, 11, 12)] == ["yes", "yes", "yes"]


def test_a_client_is_as_its_service() -> None:
    """Nscd follows for those that go through it, or does not."""
    world = World()
    world.start(10, flags=0)
    world.machine.identities[20] = Identity("nscd", "/usr/sbin/nscd", 0)
    world.start(20)
    world.read(20)
    world.read(10)
    world.try_socket(10, Service.NSCD, answered=True)
    world.tick()
    assert answer(world) == (
        "unknown",
        "looks names up through nscd, which has sent no query since resolvtrace started",
    )
    for _ in range(40):
        world.query(20)
        world.tick(1)
    found, why = answer(world)
    assert found == "no"
    assert "looks names up through nscd (pid 20), which sent " in why


def test_a_restart_of_the_daemon_forgets_nothing() -> None:
    """What is known of queries and looks is saved."""
    world = world_of_reader()
    run(world, 40, ask)
    before = answer(world)
    world.restart()
    assert answer(world) == before


def test_a_slow_lookup_is_no_silence() -> None:
    """A single one under a dead list goes on for a minute, and looked at the file when it began."""
    world = world_of_reader()
    world.check(10)
    run(world, 50, ask)
    pattern = world.process(10).query_pattern
    assert would_follow(pattern, Facts(lookup_seconds=60)).follows is Follows.UNKNOWN
    assert would_follow(pattern, Facts()).follows is Follows.NO


TIMES = st.lists(st.tuples(st.integers(1, 400), st.integers(1, 50), st.booleans(), st.booleans()), max_size=40)


@pytest.mark.hypothesis
@given(TIMES)
def test_no_is_never_said_without_enough_queries_over_long_enough(
    steps: list[tuple[int, int, bool, bool]],
) -> None:
    """Five queries over thirty seconds since the latest look; what is kept is bounded and survives being saved."""
    pattern, now, looked = QueryPattern(), SECOND, 0
    since: list[int] = []
    for tenths, number, looks, stray in steps:
        now += tenths * SECOND // 10
        if looks:
            looked, since = now - SECOND // 1000, []
        pattern.add(Queries(number, now, now, strays=number * stray), looked)
        since += [now] * number
        finding = would_follow(pattern, Facts())
        if finding.follows is Follows.NO:
            assert len(since) >= 5
            assert since[-1] - since[0] >= 30 * SECOND
        if finding.follows is Follows.YES:
            assert looked
    assert len(pattern.looks) <= 6
    assert load(QueryPattern, dump(pattern)) == pattern
