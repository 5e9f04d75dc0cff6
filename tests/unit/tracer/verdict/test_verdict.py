"""The verdict: every state, its precedence, the grace, the clear rule. Times here are seconds after the removal."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.doubles import NEW, OLD, OTHER, conf
from tracer.resolvconf.history import SECOND, History, first_generation, follow
from tracer.resolvconf.parser import EMPTY
from tracer.verdict.states import SEVERITY, State
from tracer.verdict.verdict import (
    NO_BEHAVIOUR,
    Behaviour,
    Context,
    Evidence,
    FirstRead,
    Queries,
    Suspend,
    Thresholds,
    add,
    state_of,
    update_flag,
)

THRESHOLDS = Thresholds()
_REMOVED = 1000
"""When the removal of OLD is noticed, in seconds since boot."""


def at(seconds: float) -> int:
    """Return a time by its distance from the removal."""
    return int((_REMOVED + seconds) * SECOND)


def removed(lookup: int = 10) -> History:
    """Return a history in which OLD gave way to NEW."""
    history = first_generation(conf(OLD, lookup=lookup), at(-900), at(-900))
    return follow(history, conf(NEW), at(-0.1), at(0))


def sent(first: float, last: float | None = None, number: int = 1, previous: float | None = None) -> Queries:
    """Return queries from ``first`` to ``last``; the one before the last is in between."""
    last = first if last is None else last
    before = 0 if number < 2 else at((first + last) / 2 if previous is None else previous)
    return Queries(number, at(first), at(last), before)


@dataclass
class Trial:
    """One process and one nameserver, tick by tick."""

    own: History
    host: History | None = None
    address: str = OLD
    behaviour: Behaviour = field(default_factory=lambda: Behaviour(started=at(-500)))
    thresholds: Thresholds = THRESHOLDS
    forwarder: bool = False
    expected: frozenset[str] = frozenset()
    evidence: Evidence = field(default_factory=Evidence)

    @property
    def context(self) -> Context:
        """By what it is judged."""
        return Context(self.own, self.host, self.forwarder, self.expected, self.behaviour.read_generation)

    def asks(self, *several: Queries, now: float | None = None) -> State:
        """Add what one tick brought and evaluate at its end."""
        removal = self.context.removal(self.address)
        own_read = self.behaviour.first_read_since(removal) if removal else None
        for one in several:
            self.evidence = add(self.evidence, one, removal, own_read, self.thresholds)
        end = max((one.last for one in several), default=at(0)) if now is None else at(now)
        return self.evaluate(end)

    def evaluate(self, now: int) -> State:
        """Evaluate with no more queries."""
        self.evidence = update_flag(self.evidence, self.address, self.context, self.behaviour, self.thresholds, now)
        return state_of(self.evidence, self.address, self.context, self.behaviour, self.thresholds, now)

    def later(self, seconds: float) -> State:
        """Evaluate at another time."""
        return self.evaluate(at(seconds))

    def reads(self, seconds: float) -> None:
        """Let it read the file."""
        found = self.own.at(at(seconds)).number
        known = self.behaviour.first_reads
        if not known or known[-1].generation < found:
            known = (*known, FirstRead(found, at(seconds)))
        self.behaviour = replace(self.behaviour, last_read=at(seconds), read_generation=found, first_reads=known)

    def queries_listed(self, seconds: float) -> None:
        """Let it query a nameserver that is listed."""
        self.behaviour = replace(self.behaviour, last_listed=at(seconds))

    def follows(self, seconds: float) -> None:
        """Let it read the file and then query a listed nameserver."""
        self.reads(seconds)
        self.queries_listed(seconds + 0.001)


# Every state.


def test_two_queries_after_the_grace_are_stale() -> None:
    """The flag: listed, removed, and queried min_queries times later than the grace."""
    trial = Trial(removed())
    assert trial.asks(sent(16)) is State.GRACE
    assert trial.asks(sent(17)) is State.STALE
    assert trial.evidence.flagged == at(17)


def test_as_many_queries_as_the_configuration_asks_for() -> None:
    """min_queries is the administrator's."""
    trial = Trial(removed(), thresholds=Thresholds(min_queries=5))
    assert trial.asks(sent(16, 19, 4)) is State.GRACE
    assert trial.asks(sent(20)) is State.STALE


def test_a_nameserver_that_only_the_hosts_file_gave_up_is_outdated() -> None:
    """A container that still has the copy it was started with."""
    own = first_generation(conf(OLD), at(-900), at(-900))
    assert Trial(own, host=removed()).asks(sent(30, 40, 5)) is State.OUTDATED


def test_a_nameserver_that_the_host_never_listed_is_current_in_a_view_that_lists_it() -> None:
    """A container with a list of its own is no copy of the host's."""
    own = first_generation(conf(OLD), at(-900), at(-900))
    host = first_generation(conf(NEW), at(-900), at(-900))
    assert Trial(own, host=host).asks(sent(30, 40, 5)) is State.CURRENT


def test_queried_within_the_grace_is_grace_and_quiet_when_that_is_over() -> None:
    """A lookup that began before the change may still be under way; what comes next is not known."""
    trial = Trial(removed())
    assert trial.asks(sent(1, 14, 50)) is State.GRACE
    assert trial.later(15) is State.GRACE
    assert trial.later(15.1) is State.QUIET


def test_one_query_after_the_grace_is_not_enough_and_is_not_held_against_it_for_ever() -> None:
    """It falls back to quiet when nothing more comes, and the next late query completes the evidence."""
    trial = Trial(removed())
    assert trial.asks(sent(100)) is State.GRACE
    assert trial.later(200) is State.QUIET
    assert trial.asks(sent(300)) is State.STALE


def test_a_listed_nameserver_is_current() -> None:
    """Also before anything was ever removed."""
    assert Trial(removed(), address=NEW).asks(sent(1)) is State.CURRENT


def test_also_listed_is_listed() -> None:
    """What a common resolver takes from the file is current, though glibc does not query it."""
    history = first_generation(conf(NEW, also=(OLD,)), at(-900), at(-900))
    assert Trial(history).asks(sent(1)) is State.CURRENT


def test_never_listed_and_older_than_the_file_is_suspect() -> None:
    """We did not see what the file said when the process read it."""
    history = first_generation(conf(NEW), at(-10), at(-100))
    assert Trial(history, behaviour=Behaviour(started=at(-200))).asks(sent(1)) is State.SUSPECT


def test_never_listed_and_younger_than_the_file_is_unlisted() -> None:
    """What the process could read is known, and that nameserver was not in it."""
    history = first_generation(conf(NEW), at(-10), at(-100))
    assert Trial(history, behaviour=Behaviour(started=at(-50))).asks(sent(1)) is State.UNLISTED


@pytest.mark.parametrize("own", [None, removed()])
def test_not_knowing_when_it_began_or_what_it_sees_accuses_nobody(own: History | None) -> None:
    """Without a birth or a view there is no suspicion."""
    evidence = Evidence(at(1), at(1), at(1))
    state = state_of(evidence, "203.0.113.1", Context(own), NO_BEHAVIOUR, THRESHOLDS, at(2))
    assert state is State.UNLISTED


def test_removed_and_silent_since_is_quiet() -> None:
    """Queries from before the removal are no evidence; it may query the old one again at its next job.

    What it sent since has to be known first.
    """
    trial = Trial(removed())
    assert trial.asks(sent(-20, -1, 400)) is State.CURRENT
    assert trial.later(1) is State.QUIET
    assert trial.later(500) is State.QUIET


@pytest.mark.parametrize("seen", ["read", "stat", "query"])
def test_removed_and_used_no_more_is_retired(seen: str) -> None:
    """Since the removal it has read the file, did a stat of it, or has queried a listed nameserver."""
    trial = Trial(removed())
    trial.asks(sent(-20, -1, 400))
    assert trial.later(1) is State.QUIET
    if seen == "read":
        trial.reads(30)
    elif seen == "stat":
        trial.behaviour = replace(trial.behaviour, checked=at(30))
    else:
        trial.queries_listed(30)
    assert trial.later(31) is State.RETIRED


def test_what_it_did_before_the_removal_retires_nothing() -> None:
    """A read of the old file, and queries to what was listed then."""
    trial = Trial(removed())
    trial.reads(-30)
    trial.queries_listed(-20)
    trial.asks(sent(-20, -1, 400))
    assert trial.later(1) is State.QUIET


def test_a_query_to_what_is_listed_only_since_retires_nothing() -> None:
    """It was no listed nameserver when the process queried it."""
    history = follow(removed(), conf(NEW, OTHER), at(50), at(50))
    before, after = Evidence(at(30), at(30), at(30)), Evidence(at(30), at(60), at(60))
    assert before.last_listed(history, OTHER, None) is None
    assert after.last_listed(history, OTHER, None) == at(60)


def test_a_query_to_what_was_listed_then_counts_though_it_is_removed_since() -> None:
    """Until its removal is noticed; what comes later goes to a removed one."""
    trial = Trial(removed())
    trial.asks(sent(-20, -1, 400))
    assert trial.evidence.last_listed(trial.own, OLD, None) == at(-1)
    trial.asks(sent(20))
    assert trial.evidence.last_listed(trial.own, OLD, None) == at(-1)
    trial.own = follow(trial.own, conf(OLD), at(50), at(50))
    trial.asks(now=51)
    assert trial.evidence.last_listed(trial.own, OLD, None) == at(-1), "listed again, and not queried since"
    trial.asks(sent(52))
    assert trial.evidence.last_listed(trial.own, OLD, None) == at(52)


def test_a_removal_that_was_just_noticed_forgets_no_query_of_before_it() -> None:
    """Whatever is evaluated first."""
    evidence = Evidence(at(-20), at(-1), at(-1))
    assert evidence.last_listed(removed(), OLD, None) == at(-1)


@pytest.mark.parametrize(("previous", "listed"), [(0.2, -0.5), (-0.2, -0.2)])
def test_of_a_tick_with_the_removal_in_it_the_first_queries_went_to_a_listed_one(
    previous: float, listed: float
) -> None:
    """As far as their times are known: of the first, and of the last two."""
    trial = Trial(removed())
    trial.asks(sent(-0.5, 0.5, 3, previous))
    assert trial.evidence.last_listed(trial.own, OLD, None) == at(listed)


def test_what_an_administrator_expects_is_current() -> None:
    """Removed or never listed, however often it is queried."""
    trial = Trial(removed(), expected=frozenset({OLD}))
    assert trial.asks(sent(30, 60, 100)) is State.CURRENT
    assert trial.evidence.flagged is None


# What is implicit: the file names nobody.


def emptied() -> History:
    """Return a history in which OLD gave way to an empty file, at -100, and that to NEW."""
    history = first_generation(conf(OLD), at(-900), at(-900))
    return follow(follow(history, EMPTY, at(-100), at(-100)), conf(NEW), at(0), at(0))


def test_who_read_the_empty_file_and_stays_on_the_local_host_is_stale() -> None:
    """It got 127.0.0.1 from it."""
    trial = Trial(emptied(), address="127.0.0.1")
    trial.reads(-50)
    assert trial.asks(sent(121, 122, 2)) is State.STALE


@pytest.mark.parametrize("read", [None, -200])
def test_who_queries_the_local_host_by_its_own_configuration_is_never_flagged(read: float | None) -> None:
    """The file was empty for a moment, and it did not read it then."""
    trial = Trial(emptied(), address="127.0.0.1")
    if read is not None:
        trial.reads(read)
    assert trial.asks(sent(16, 30, 20)) is State.UNLISTED
    assert trial.evidence.flagged is None


def test_the_local_host_is_current_for_who_read_the_empty_file_that_is_in_force() -> None:
    """And for nobody else."""
    history = follow(first_generation(conf(OLD), at(-900), at(-900)), EMPTY, at(0), at(0))
    trial = Trial(history, address="127.0.0.1")
    assert trial.asks(sent(5)) is State.UNLISTED
    trial.reads(6)
    assert trial.asks(sent(7)) is State.CURRENT


def test_what_a_forwarder_queries_for_others_is_unlisted() -> None:
    """Its upstreams are its own configuration's affair, however late and often it queries them."""
    trial = Trial(removed(), forwarder=True)
    assert trial.asks(sent(30, 60, 100)) is State.UNLISTED
    assert (trial.evidence.late, trial.evidence.flagged) == (0, None)


def test_severity_is_the_contracts_order() -> None:
    """Stale > outdated > grace > suspect > quiet > unlisted > current > retired."""
    names = ["stale", "outdated", "grace", "suspect", "quiet", "unlisted", "current", "retired"]
    assert [state.value for state in SEVERITY] == names


# Precedence.


def test_its_own_views_removal_goes_before_the_hosts() -> None:
    """Stale before outdated: what the process could have read itself weighs more."""
    assert Trial(removed(), host=removed()).asks(sent(16, 17, 2)) is State.STALE


def test_a_removal_goes_before_suspicion() -> None:
    """A process older than the file is judged by what was seen, once something was."""
    trial = Trial(removed(), behaviour=Behaviour(started=at(-5000)))
    assert trial.asks(sent(1)) is State.GRACE
    assert trial.asks(sent(16, 17, 2)) is State.STALE


def test_listed_again_is_current_and_no_longer_stale() -> None:
    """The nameserver is back; the flag goes, and what was counted goes with it."""
    trial = Trial(removed())
    trial.asks(sent(16, 17, 2))
    trial.own = follow(trial.own, conf(NEW, OLD), at(30), at(30))
    assert trial.later(30) is State.CURRENT
    assert trial.evidence.flagged is None


def test_removed_a_second_time_begins_again() -> None:
    """Queries that were late for the first removal are not for the second."""
    trial = Trial(removed())
    trial.asks(sent(16, 17, 2))
    trial.own = follow(trial.own, conf(NEW, OLD), at(30), at(30))
    trial.own = follow(trial.own, conf(NEW), at(40), at(40))
    assert trial.later(60) is State.QUIET
    assert trial.asks(sent(61)) is State.GRACE
    assert trial.asks(sent(62)) is State.STALE


# The grace.


def test_the_grace_covers_the_longest_lookup_under_the_removed_list() -> None:
    """A dead nameserver with generous options is still retried 60 s later by a healthy glibc."""
    trial = Trial(removed(lookup=60))
    assert trial.asks(sent(16, 59, 40)) is State.GRACE
    assert trial.asks(sent(61, 62, 2)) is State.STALE


def test_the_longest_lookup_counts_for_120_seconds_at_most() -> None:
    """Or options could hide a stale process for an hour."""
    assert Trial(removed(lookup=3600)).asks(sent(121, 122, 2)) is State.STALE


def test_a_query_at_the_very_end_of_the_grace_is_not_late() -> None:
    """Later than the grace, says the contract."""
    assert Trial(removed()).asks(sent(15, 15, 2, previous=15)) is State.GRACE


def test_a_burst_across_the_deadline_counts_no_more_than_its_last_two() -> None:
    """Of the others it is not known when they were sent."""
    early = Trial(removed())
    assert early.asks(sent(14, 15.5, 100, previous=14.9)) is State.GRACE
    assert early.evidence.late == 1
    late = Trial(removed())
    assert late.asks(sent(14, 15.5, 100, previous=15.4)) is State.STALE
    assert late.evidence.late == 2


def test_a_burst_across_the_removal_counts_no_more_than_its_last_two() -> None:
    """Queries sent before the removal was noticed never count."""
    trial = Trial(removed())
    trial.asks(sent(-0.9, 0.1, 500, previous=0.05))
    assert trial.evidence.since_removed == 2


def test_a_single_query_across_nothing_counts_once() -> None:
    """A lone query has no one before it."""
    trial = Trial(removed())
    trial.asks(Queries(1, at(20), at(20)))
    assert trial.evidence.late == 1


def test_tls_handshakes_count_for_no_threshold() -> None:
    """Reconnecting is no query."""
    trial = Trial(removed())
    assert trial.asks(Queries(6, at(20), at(21), at(20.5), handshakes=6), now=22) is not State.STALE
    assert trial.evidence.late == 0
    assert trial.asks(Queries(4, at(22), at(23), at(22.5), handshakes=2), now=24) is State.STALE


# The clear rule.


def _stale() -> Trial:
    trial = Trial(removed())
    assert trial.asks(sent(16, 20, 5)) is State.STALE
    return trial


def test_a_quiet_process_stays_flagged() -> None:
    """It will query the old one again; silence is no evidence."""
    assert _stale().later(1_000_000) is State.STALE


def test_a_process_that_re_read_and_then_queried_a_current_one_is_clear() -> None:
    """It follows now."""
    trial = _stale()
    trial.reads(30)
    assert trial.later(31) is State.STALE, "reading alone is not following"
    trial.queries_listed(32)
    assert trial.later(33) is State.RETIRED


def test_querying_a_current_one_and_only_then_reading_is_not_following() -> None:
    """Read and then query: in that order."""
    trial = _stale()
    trial.queries_listed(29)
    trial.reads(30)
    assert trial.later(31) is State.STALE


def test_a_read_before_its_last_query_to_the_old_one_clears_nothing() -> None:
    """A second resolver in it read the file; this one did not, and the grace of that read is over."""
    trial = Trial(removed())
    trial.follows(2)
    assert trial.asks(sent(18, 22, 5)) is State.STALE
    assert trial.later(31) is State.STALE


# The grace of its own first read.


def test_the_first_read_after_a_removal_opens_a_grace_of_its_own() -> None:
    """What is sent within it may be a lookup that began before the read, however late that is."""
    trial = Trial(removed())
    trial.reads(100)
    assert trial.asks(sent(101, 115, 50)) is State.GRACE
    assert trial.later(115.1) is State.RETIRED
    assert trial.asks(sent(116, 117, 2)) is State.STALE


def test_the_own_reads_grace_is_as_long_as_the_removals() -> None:
    """A long lookup under the removed list makes both long."""
    trial = Trial(removed(lookup=60))
    trial.reads(100)
    assert trial.asks(sent(101, 159, 50)) is State.GRACE
    assert trial.asks(sent(161, 162, 2)) is State.STALE


def test_a_later_read_opens_none() -> None:
    """Who reads before each lookup on one path, and is frozen on another, is flagged."""
    trial = Trial(removed())
    for second in range(5, 100, 5):
        trial.reads(second)
    assert trial.asks(sent(101, 102, 2)) is State.STALE


def test_the_own_reads_grace_keeps_no_flag_up_once_a_current_one_was_queried_after_it() -> None:
    """What it still sends to the old one within it was begun before."""
    trial = _stale()
    trial.reads(100)
    assert trial.asks(sent(105, 106, 3)) is State.STALE, "nothing shows yet that it follows"
    trial.queries_listed(107)
    assert trial.later(108) is State.RETIRED
    assert trial.asks(sent(109, 110, 3)) is State.RETIRED
    assert trial.asks(sent(116, 117, 2)) is State.STALE


def test_an_own_read_before_the_removal_opens_nothing() -> None:
    """It read what listed the old one."""
    trial = Trial(removed())
    trial.reads(-5)
    assert trial.asks(sent(16, 17, 2)) is State.STALE


# Keeping to current ones.


def test_querying_a_current_one_without_a_read_clears_after_300_seconds_of_it() -> None:
    """It has kept to current nameservers for clear_seconds."""
    trial = _stale()
    trial.queries_listed(20 + 299)
    assert trial.later(320) is State.STALE
    trial.queries_listed(20 + 300)
    assert trial.later(321) is State.RETIRED


def test_clear_seconds_are_counted_in_queries_and_not_in_silence() -> None:
    """One query to a current one at once, then nothing: that shows nothing an hour later."""
    trial = _stale()
    trial.queries_listed(21)
    assert trial.later(3600) is State.STALE


def test_time_asleep_is_no_time_kept_to_current_ones() -> None:
    """The machine was suspended for an hour: nobody queried anything."""
    trial = _stale()
    trial.behaviour = replace(trial.behaviour, suspends=(Suspend(at(100), 3600 * SECOND),))
    trial.queries_listed(20 + 3600)
    assert trial.later(4000) is State.STALE
    trial.queries_listed(20 + 3600 + 300)
    assert trial.later(4001) is State.RETIRED


def test_a_process_that_queries_both_stays_flagged_without_flapping() -> None:
    """Node and Postfix: the new one on one path, the old one on another, the file read once in between."""
    trial = Trial(removed())
    trial.follows(2)
    states = []
    for second in range(18, 1000, 7):
        trial.queries_listed(second + 3)
        states.append(trial.asks(sent(second), now=second + 4))
    assert states[0] is State.GRACE
    assert set(states[1:]) == {State.STALE}


def test_late_queries_after_a_clear_raise_the_flag_again() -> None:
    """From nothing: as many as the first time, once the grace of its own read is over."""
    trial = _stale()
    trial.follows(30)
    trial.later(31)
    assert trial.asks(sent(46)) is State.GRACE
    assert trial.asks(sent(47)) is State.STALE
    assert trial.evidence.flagged == at(47)


def test_queries_of_before_a_clear_that_come_in_after_it_raise_nothing() -> None:
    """What was sent before the process followed says nothing of what it does since."""
    trial = _stale()
    trial.follows(30)
    trial.later(31)
    assert trial.asks(sent(17, 19, 3), now=32) is not State.STALE


def test_a_clear_in_the_grace_leaves_nothing_behind() -> None:
    """The healthy case: queries the old one once more, reads, queries the new one."""
    trial = Trial(removed())
    assert trial.asks(sent(1)) is State.GRACE
    trial.follows(3)
    assert trial.later(4) is State.RETIRED


def test_a_change_seen_long_ago_does_not_clear_what_came_later() -> None:
    """Before the first late query it kept to the new one for an hour; that does not speak for what follows."""
    trial = Trial(removed())
    trial.queries_listed(3600)
    assert trial.asks(sent(3700, 3710, 3)) is State.STALE


# Properties.

Drawn = tuple[Queries, list[tuple[int, bool]]]
"""What a tick's counts say, and what was sent: when, and whether it was a handshake."""
_SECONDS = st.integers(-60, 400)


@st.composite
def ticks(draw: st.DrawFn) -> Drawn:
    """Draw what was sent within a tick, and what the kernel side makes of it (bpf/datagrams.c)."""
    begin = at(draw(st.sampled_from([-0.5, 0, 5, 14.5, 15, 16])))
    half = SECOND // 2
    every = sorted(
        (begin + half * draw(st.integers(0, 2)), draw(st.booleans())) for _ in range(draw(st.integers(1, 6)))
    )
    times = [time for time, _ in every]
    previous = times[-2] if len(times) > 1 else 0
    return Queries(len(every), times[0], times[-1], previous, sum(handshake for _, handshake in every)), every


def test_handshakes_are_not_taken_for_the_queries_before_them() -> None:
    """Two queries in the grace and a reconnect after it: nothing was queried late."""
    trial = Trial(removed())
    assert trial.asks(Queries(4, at(14.2), at(15.2), at(15.1), handshakes=2)) is not State.STALE
    assert trial.evidence.late == 0


@example((Queries(2, at(14), at(16), at(14), handshakes=1), [(at(14), False), (at(16), True)]), at(15))
@given(ticks(), st.sampled_from([at(seconds / 2) for seconds in range(-2, 36)]))
def test_no_more_is_counted_as_late_than_was_sent_late(drawn: Drawn, bound: int) -> None:
    """Whatever the order of queries and handshakes within a tick: never too many."""
    counted, every = drawn
    late = sum(time > bound and not handshake for time, handshake in every)
    assert 0 <= counted.sent_after(bound) <= late


@given(ticks(), st.sampled_from([at(seconds / 2) for seconds in range(-2, 36)]))
def test_a_burst_that_is_wholly_late_is_counted_whole(drawn: Drawn, bound: int) -> None:
    """Where all is certain nothing is left out."""
    counted, every = drawn
    if counted.first > bound:
        assert counted.sent_after(bound) == sum(not handshake for _, handshake in every)


@given(st.lists(st.tuples(_SECONDS, st.integers(1, 30)), max_size=20))
def test_a_process_that_queries_only_listed_nameservers_is_never_flagged(asked: list[tuple[int, int]]) -> None:
    """Current all the way, whatever comes and goes around it."""
    history = first_generation(conf(NEW, OLD), at(-900), at(-900))
    trial = Trial(history, address=NEW)
    for turn, (second, count) in enumerate(asked):
        listed = (conf(NEW, OLD), conf(NEW), conf(OLD, NEW))[turn % 3]
        trial.own = follow(trial.own, listed, at(second), at(second))
        assert trial.asks(sent(second, second + 1, count)) is State.CURRENT
    assert trial.evidence.flagged is None


@given(st.lists(st.tuples(st.integers(-60, 400), st.integers(1, 5)), min_size=1, max_size=10), st.integers(16, 500))
def test_more_late_queries_never_take_a_flag_down(asked: list[tuple[int, int]], more: int) -> None:
    """The verdict is monotone in evidence against the process."""
    trial = Trial(removed())
    for second, count in sorted(asked):
        trial.asks(sent(second, second + 0.5, count))
    late, before = trial.evidence.late, trial.later(1000)
    after = trial.asks(sent(more), now=1000)
    assert before is not State.STALE or after is State.STALE
    assert trial.evidence.late > late or more == 15


@given(st.lists(ticks(), min_size=2, max_size=5), st.sampled_from([None, 3, 40]), st.data())
def test_the_order_of_queries_within_a_tick_does_not_matter(
    drawn: list[Drawn], read: float | None, data: st.DataObject
) -> None:
    """Maps are read in no order."""
    one_way = [one for one, _ in drawn]
    other_way = data.draw(st.permutations(one_way))
    one, other = Trial(removed()), Trial(removed())
    for trial in (one, other):
        if read is not None:
            trial.follows(read)
    assert one.asks(*one_way, now=60) is other.asks(*other_way, now=60)
    assert one.evidence == other.evidence


@given(st.lists(st.integers(16, 2000), min_size=2, max_size=30, unique=True))
def test_without_evidence_to_clear_it_a_flag_once_up_stays_up(seconds: list[int]) -> None:
    """Neither time nor further queries take it down, and the time it was raised at stands."""
    trial = Trial(removed())
    states = [trial.asks(sent(second)) for second in sorted(seconds)]
    assert all(after is State.STALE for before, after in pairwise(states) if before is State.STALE)
    assert trial.evidence.flagged == at(sorted(seconds)[1])


@given(st.integers(-1000, 15), st.integers(1, 10_000))
def test_nothing_queried_before_the_end_of_the_grace_is_ever_stale(second: int, count: int) -> None:
    """However much it is."""
    trial = Trial(removed())
    assert trial.asks(sent(second - 1, second, count)) is not State.STALE
    assert trial.later(10_000) is not State.STALE
