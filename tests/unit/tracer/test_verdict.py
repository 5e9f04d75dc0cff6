"""The verdict: every state, its precedence, the grace, the clear rule. Times here are seconds after the removal."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from doubles import NEW, OLD, conf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tracer.generations import SECOND, History, first_generation, follow
from tracer.snapshot import SEVERITY, State
from tracer.verdict import Burst, Conduct, Evidence, Outlook, Thresholds, judge, removal_for, settle, take_in

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


def burst(first: float, last: float | None = None, count: int = 1, previous: float | None = None) -> Burst:
    """Return queries from ``first`` to ``last``; the one before the last is in between."""
    last = first if last is None else last
    before = 0 if count < 2 else at((first + last) / 2 if previous is None else previous)
    return Burst(count, at(first), at(last), before)


@dataclass
class Trial:
    """One process and one nameserver, tick by tick."""

    own: History
    host: History | None = None
    address: str = OLD
    conduct: Conduct = field(default_factory=lambda: Conduct(started=at(-500)))
    thresholds: Thresholds = THRESHOLDS
    forwarder: bool = False
    state: int = 1
    """The resolver state that it is in: one more with each read."""
    evidence: Evidence = field(default_factory=Evidence)

    @property
    def outlook(self) -> Outlook:
        """By what it is judged."""
        return Outlook(self.own, self.host, self.forwarder)

    def asks(self, *bursts: Burst, now: float | None = None) -> State:
        """Take in what one tick brought and judge at its end."""
        removal = removal_for(self.address, self.outlook)
        for one in bursts:
            self.evidence = take_in(
                self.evidence, replace(one, state=one.state or self.state), removal, self.thresholds
            )
        end = max((one.last for one in bursts), default=at(0)) if now is None else at(now)
        return self.judged(end)

    def judged(self, now: int) -> State:
        """Judge with no more queries."""
        self.evidence = settle(self.evidence, self.address, self.outlook, self.conduct, self.thresholds, now)
        return judge(self.evidence, self.address, self.outlook, self.conduct, self.thresholds, now)

    def later(self, seconds: float) -> State:
        """Judge at another time."""
        return self.judged(at(seconds))

    def does(self, *, reads_then_asks_current: float | None = None, asks_current: float | None = None) -> None:
        """Let it behave: read the file just before it asks a listed nameserver, or only ask one."""
        if reads_then_asks_current is not None:
            self.state += 1
            self.conduct = replace(self.conduct, followed=self.state, last_current=at(reads_then_asks_current) + 1)
        if asks_current is not None:
            self.conduct = replace(self.conduct, last_current=at(asks_current))


# Every state.


def test_two_queries_after_the_grace_are_stale() -> None:
    """The flag: listed, removed, and asked min_queries times later than the grace."""
    trial = Trial(removed())
    assert trial.asks(burst(16)) is State.GRACE
    assert trial.asks(burst(17)) is State.STALE
    assert trial.evidence.flagged == at(17)


def test_as_many_queries_as_the_configuration_asks_for() -> None:
    """min_queries is the administrator's."""
    trial = Trial(removed(), thresholds=Thresholds(min_queries=5))
    assert trial.asks(burst(16, 19, 4)) is State.GRACE
    assert trial.asks(burst(20)) is State.STALE


def test_a_nameserver_that_only_the_hosts_file_gave_up_is_outdated() -> None:
    """A container that still has the copy it was started with."""
    own = first_generation(conf(OLD), at(-900), at(-900))
    assert Trial(own, host=removed()).asks(burst(30, 40, 5)) is State.OUTDATED


def test_a_nameserver_that_the_host_never_listed_is_current_in_a_view_that_lists_it() -> None:
    """A container with a list of its own is no copy of the host's."""
    own = first_generation(conf(OLD), at(-900), at(-900))
    host = first_generation(conf(NEW), at(-900), at(-900))
    assert Trial(own, host=host).asks(burst(30, 40, 5)) is State.CURRENT


def test_asked_within_the_grace_is_grace_and_retired_when_that_is_over() -> None:
    """A lookup that began before the change may still be under way."""
    trial = Trial(removed())
    assert trial.asks(burst(1, 14, 50)) is State.GRACE
    assert trial.later(15) is State.GRACE
    assert trial.later(15.1) is State.RETIRED


def test_one_query_after_the_grace_is_not_enough_and_is_not_held_against_it_for_ever() -> None:
    """It falls back to retired when nothing more comes, and the next late query completes the evidence."""
    trial = Trial(removed())
    assert trial.asks(burst(100)) is State.GRACE
    assert trial.later(200) is State.RETIRED
    assert trial.asks(burst(300)) is State.STALE


def test_a_listed_nameserver_is_current() -> None:
    """Also before anything was ever removed."""
    assert Trial(removed(), address=NEW).asks(burst(1)) is State.CURRENT


def test_also_listed_is_listed() -> None:
    """What a common resolver takes from the file is current, though glibc does not ask it."""
    history = first_generation(conf(NEW, also=(OLD,)), at(-900), at(-900))
    assert Trial(history).asks(burst(1)) is State.CURRENT


def test_never_listed_and_older_than_the_file_is_suspect() -> None:
    """We did not see what the file said when the process read it."""
    history = first_generation(conf(NEW), at(-10), at(-100))
    assert Trial(history, conduct=Conduct(started=at(-200))).asks(burst(1)) is State.SUSPECT


def test_never_listed_and_younger_than_the_file_is_unlisted() -> None:
    """What the process could read is known, and that nameserver was not in it."""
    history = first_generation(conf(NEW), at(-10), at(-100))
    assert Trial(history, conduct=Conduct(started=at(-50))).asks(burst(1)) is State.UNLISTED


@pytest.mark.parametrize("own", [None, removed()])
def test_not_knowing_when_it_began_or_what_it_sees_accuses_nobody(own: History | None) -> None:
    """Without a birth or a view there is no suspicion."""
    outlook = Outlook(own)
    state = judge(Evidence(at(1), at(1)), "203.0.113.1", outlook, Conduct(), THRESHOLDS, at(2))
    assert state is State.UNLISTED


def test_removed_and_used_no_more_is_retired() -> None:
    """Queries from before the removal leave no trace on the verdict."""
    trial = Trial(removed())
    assert trial.asks(burst(-20, -1, 400)) is State.RETIRED
    assert trial.later(500) is State.RETIRED


def test_what_a_forwarder_asks_for_others_is_unlisted() -> None:
    """Its upstreams are its own configuration's affair, however late and often it asks them."""
    trial = Trial(removed(), forwarder=True)
    assert trial.asks(burst(30, 60, 100)) is State.UNLISTED
    assert (trial.evidence.late, trial.evidence.flagged) == (0, None)


def test_severity_is_the_contracts_order() -> None:
    """Stale > outdated > grace > suspect > unlisted > current > retired."""
    names = ["stale", "outdated", "grace", "suspect", "unlisted", "current", "retired"]
    assert [state.value for state in SEVERITY] == names


# Precedence.


def test_its_own_views_removal_goes_before_the_hosts() -> None:
    """Stale before outdated: what the process could have read itself weighs more."""
    assert Trial(removed(), host=removed()).asks(burst(16, 17, 2)) is State.STALE


def test_a_removal_goes_before_suspicion() -> None:
    """A process older than the file is judged by what was seen, once something was."""
    trial = Trial(removed(), conduct=Conduct(started=at(-5000)))
    assert trial.asks(burst(1)) is State.GRACE
    assert trial.asks(burst(16, 17, 2)) is State.STALE


def test_listed_again_is_current_and_no_longer_stale() -> None:
    """The nameserver is back; the flag goes, and what was counted goes with it."""
    trial = Trial(removed())
    trial.asks(burst(16, 17, 2))
    trial.own = follow(trial.own, conf(NEW, OLD), at(30), at(30))
    assert trial.later(30) is State.CURRENT
    assert trial.evidence.flagged is None


def test_removed_a_second_time_begins_anew() -> None:
    """Queries that were late for the first removal are not for the second."""
    trial = Trial(removed())
    trial.asks(burst(16, 17, 2))
    trial.own = follow(trial.own, conf(NEW, OLD), at(30), at(30))
    trial.own = follow(trial.own, conf(NEW), at(40), at(40))
    assert trial.later(60) is State.RETIRED
    assert trial.asks(burst(61)) is State.GRACE
    assert trial.asks(burst(62)) is State.STALE


# The grace.


def test_the_grace_covers_the_longest_lookup_under_the_removed_list() -> None:
    """A dead nameserver with generous options is still retried 60 s later by a healthy glibc."""
    trial = Trial(removed(lookup=60))
    assert trial.asks(burst(16, 59, 40)) is State.GRACE
    assert trial.asks(burst(61, 62, 2)) is State.STALE


def test_the_longest_lookup_counts_for_120_seconds_at_most() -> None:
    """Or options could hide a stale process for an hour."""
    assert Trial(removed(lookup=3600)).asks(burst(121, 122, 2)) is State.STALE


def test_a_query_at_the_very_end_of_the_grace_is_not_late() -> None:
    """Later than the grace, says the contract."""
    assert Trial(removed()).asks(burst(15, 15, 2, previous=15)) is State.GRACE


def test_a_burst_across_the_deadline_counts_no_more_than_its_last_two() -> None:
    """Of the others it is not known when they were sent."""
    early = Trial(removed())
    assert early.asks(burst(14, 15.5, 100, previous=14.9)) is State.GRACE
    assert early.evidence.late == 1
    late = Trial(removed())
    assert late.asks(burst(14, 15.5, 100, previous=15.4)) is State.STALE
    assert late.evidence.late == 2


def test_a_burst_across_the_removal_counts_no_more_than_its_last_two() -> None:
    """Queries sent before the removal was noticed never count."""
    trial = Trial(removed())
    trial.asks(burst(-0.9, 0.1, 500, previous=0.05))
    assert trial.evidence.since_removed == 2


def test_a_single_query_across_nothing_counts_once() -> None:
    """A lone query has no one before it."""
    trial = Trial(removed())
    trial.asks(Burst(1, at(20), at(20)))
    assert trial.evidence.late == 1


def test_tls_handshakes_count_for_no_threshold() -> None:
    """Reconnecting is no query."""
    trial = Trial(removed())
    assert trial.asks(Burst(6, at(20), at(21), at(20.5), handshakes=6), now=22) is not State.STALE
    assert trial.evidence.late == 0
    assert trial.asks(Burst(4, at(22), at(23), at(22.5), handshakes=2), now=24) is State.STALE


# The clear rule.


def _stale() -> Trial:
    trial = Trial(removed())
    assert trial.asks(burst(16, 20, 5)) is State.STALE
    return trial


def test_a_quiet_process_stays_flagged() -> None:
    """It will ask the old one again; silence is no evidence."""
    assert _stale().later(1_000_000) is State.STALE


def test_a_process_that_read_again_and_then_asked_a_current_one_is_clear() -> None:
    """It follows now."""
    trial = _stale()
    trial.does(reads_then_asks_current=30)
    assert trial.later(31) is State.RETIRED


def test_a_read_before_its_last_query_to_the_old_one_clears_nothing() -> None:
    """A second resolver in it read the file; this one did not."""
    trial = Trial(removed())
    trial.does(reads_then_asks_current=15)
    assert trial.asks(burst(16, 20, 5)) is State.STALE
    assert trial.later(31) is State.STALE


def test_asking_a_current_one_without_a_read_clears_after_300_seconds_of_it() -> None:
    """It has kept to current nameservers for clear_seconds."""
    trial = _stale()
    trial.does(asks_current=20 + 299)
    assert trial.later(320) is State.STALE
    trial.does(asks_current=20 + 300)
    assert trial.later(321) is State.RETIRED


def test_clear_seconds_are_counted_in_queries_and_not_in_silence() -> None:
    """One query to a current one at once, then nothing: that shows nothing an hour later."""
    trial = _stale()
    trial.does(asks_current=21)
    assert trial.later(3600) is State.STALE


def test_a_process_that_asks_both_stays_flagged_without_flapping() -> None:
    """Node and Postfix: the new one on one path, the old one on another, the file read once in between."""
    trial = Trial(removed())
    trial.does(reads_then_asks_current=2)
    states = []
    for second in range(16, 1000, 7):
        trial.does(asks_current=second + 3)
        states.append(trial.asks(burst(second), now=second + 4))
    assert states[0] is State.GRACE
    assert set(states[1:]) == {State.STALE}


def test_late_queries_after_a_clear_raise_the_flag_again() -> None:
    """From nothing: as many as the first time."""
    trial = _stale()
    trial.does(reads_then_asks_current=30)
    trial.later(31)
    assert trial.asks(burst(40)) is State.GRACE
    assert trial.asks(burst(41)) is State.STALE
    assert trial.evidence.flagged == at(41)


def test_queries_of_before_a_clear_that_come_in_after_it_raise_nothing() -> None:
    """What was sent before the process followed says nothing of what it does since."""
    trial = _stale()
    trial.does(reads_then_asks_current=30)
    trial.later(31)
    assert trial.asks(replace(burst(17, 19, 3), state=1), now=32) is not State.STALE


def test_a_clear_in_the_grace_leaves_nothing_behind() -> None:
    """The healthy case: asks the old one once more, reads, asks the new one."""
    trial = Trial(removed())
    assert trial.asks(burst(1)) is State.GRACE
    trial.does(reads_then_asks_current=3)
    assert trial.later(4) is State.RETIRED


def test_a_change_seen_long_ago_does_not_clear_what_came_later() -> None:
    """Before the first late query it kept to the new one for an hour; that does not speak for what follows."""
    trial = Trial(removed())
    trial.does(asks_current=3600)
    assert trial.asks(burst(3700, 3710, 3)) is State.STALE


# Properties.

_SECONDS = st.integers(-60, 400)


@st.composite
def bursts(draw: st.DrawFn) -> tuple[Burst, list[tuple[int, bool]]]:
    """Draw what was sent within a tick, and what the kernel side makes of it (bpf/queries.c)."""
    begin = at(draw(st.sampled_from([-0.5, 0, 5, 14.5, 15, 16])))
    half = SECOND // 2
    sent = sorted((begin + half * draw(st.integers(0, 2)), draw(st.booleans())) for _ in range(draw(st.integers(1, 6))))
    times = [time for time, _ in sent]
    previous = times[-2] if len(times) > 1 else 0
    return Burst(len(sent), times[0], times[-1], previous, sum(handshake for _, handshake in sent)), sent


def test_handshakes_are_not_taken_for_the_queries_before_them() -> None:
    """Two queries in the grace and a reconnect after it: nothing was asked late."""
    trial = Trial(removed())
    assert trial.asks(Burst(4, at(14.2), at(15.2), at(15.1), handshakes=2)) is not State.STALE
    assert trial.evidence.late == 0


@example((Burst(2, at(14), at(16), at(14), handshakes=1), [(at(14), False), (at(16), True)]), at(15))
@settings(deadline=None)
@given(bursts(), st.sampled_from([at(seconds / 2) for seconds in range(-2, 36)]))
def test_no_more_is_counted_as_late_than_was_sent_late(drawn: tuple[Burst, list[tuple[int, bool]]], bound: int) -> None:
    """Whatever the order of queries and handshakes within a tick: never too many."""
    counted, sent = drawn
    late = sum(time > bound and not handshake for time, handshake in sent)
    assert 0 <= counted.sent_after(bound) <= late


@settings(deadline=None)
@given(bursts(), st.sampled_from([at(seconds / 2) for seconds in range(-2, 36)]))
def test_a_burst_that_is_wholly_late_is_counted_whole(drawn: tuple[Burst, list[tuple[int, bool]]], bound: int) -> None:
    """Where all is certain nothing is left out."""
    counted, sent = drawn
    if counted.first > bound:
        assert counted.sent_after(bound) == sum(not handshake for _, handshake in sent)


@settings(deadline=None)
@given(st.lists(st.tuples(_SECONDS, st.integers(1, 30)), max_size=20))
def test_who_only_asks_listed_nameservers_is_never_accused(asked: list[tuple[int, int]]) -> None:
    """Current all the way, whatever comes and goes around it."""
    history = first_generation(conf(NEW, OLD), at(-900), at(-900))
    trial = Trial(history, address=NEW)
    for turn, (second, count) in enumerate(asked):
        listed = (conf(NEW, OLD), conf(NEW), conf(OLD, NEW))[turn % 3]
        trial.own = follow(trial.own, listed, at(second), at(second))
        assert trial.asks(burst(second, second + 1, count)) is State.CURRENT
    assert trial.evidence.flagged is None


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-60, 400), st.integers(1, 5)), min_size=1, max_size=10), st.integers(16, 500))
def test_more_late_queries_never_take_a_flag_down(asked: list[tuple[int, int]], more: int) -> None:
    """The verdict is monotone in evidence against the process."""
    trial = Trial(removed())
    for second, count in sorted(asked):
        trial.asks(burst(second, second + 0.5, count))
    late, before = trial.evidence.late, trial.later(1000)
    after = trial.asks(burst(more), now=1000)
    assert before is not State.STALE or after is State.STALE
    assert trial.evidence.late > late or more == 15


@settings(deadline=None)
@given(st.lists(bursts(), min_size=2, max_size=5), st.data())
def test_the_order_of_bursts_within_a_tick_does_not_matter(
    drawn: list[tuple[Burst, list[tuple[int, bool]]]], data: st.DataObject
) -> None:
    """Maps are read in no order."""
    one_way = [replace(one, state=data.draw(st.integers(1, 3))) for one, _ in drawn]
    other_way = data.draw(st.permutations(one_way))
    one, other = Trial(removed()), Trial(removed())
    assert one.asks(*one_way, now=60) is other.asks(*other_way, now=60)
    assert one.evidence == other.evidence


@settings(deadline=None)
@given(st.lists(st.integers(16, 2000), min_size=2, max_size=30, unique=True))
def test_without_evidence_to_clear_it_a_flag_once_up_stays_up(seconds: list[int]) -> None:
    """Neither time nor further queries take it down, and the time it was raised at stands."""
    trial = Trial(removed())
    states = [trial.asks(burst(second)) for second in sorted(seconds)]
    assert all(after is State.STALE for before, after in pairwise(states) if before is State.STALE)
    assert trial.evidence.flagged == at(sorted(seconds)[1])


@settings(deadline=None)
@given(st.integers(-1000, 15), st.integers(1, 10_000))
def test_nothing_asked_before_the_end_of_the_grace_is_ever_stale(second: int, count: int) -> None:
    """However much it is."""
    trial = Trial(removed())
    assert trial.asks(burst(second - 1, second, count)) is not State.STALE
    assert trial.later(10_000) is not State.STALE
