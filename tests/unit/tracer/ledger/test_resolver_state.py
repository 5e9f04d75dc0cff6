"""Resolver states: what a read makes of one, and which generation a read found."""

from __future__ import annotations

import pytest

from tests.support.doubles import NEW, OLD, OTHER, a_view, conf
from tests.support.world import World
from tracer.ledger.resolver_state import Origin, Read, ResolverState, StateTable
from tracer.resolvconf.history import first_generation, follow
from tracer.verdict.verdict import FirstRead


def test_a_read_makes_a_state_that_goes_on_with_the_reads_of_the_view() -> None:
    """And leaves the one before as it was: others may have it."""
    view = a_view(first_generation(conf(OLD), 10, 10))
    before = ResolverState(1).after_read(2, 20, view)
    view.history = follow(view.history, conf(NEW), 30, 30)
    after = before.after_read(3, 40, view)
    assert (before.reads, before.first_reads) == ((Read(20, 1),), (FirstRead(1, 20),))
    assert (after.id, after.reads) == (3, (Read(20, 1), Read(40, 2)))
    assert after.first_reads == (FirstRead(1, 20), FirstRead(2, 40))


def test_a_read_of_another_view_begins_again() -> None:
    """Generations are numbered by view."""
    one, other = a_view(first_generation(conf(OLD), 10, 10)), a_view(first_generation(conf(NEW), 10, 10), "7:1:2")
    state = ResolverState(1).after_read(2, 20, one).after_read(3, 30, other)
    assert (state.view, state.reads, state.first_reads) == (other, (Read(30, 1),), (FirstRead(1, 30),))


def test_a_read_of_which_no_view_is_known_says_nothing() -> None:
    """What was read before still holds."""
    view = a_view(first_generation(conf(OLD), 10, 10))
    state = ResolverState(1).after_read(2, 20, view).after_read(3, 30, None)
    assert (state.id, state.view, state.reads) == (3, view, (Read(20, 1),))


def test_a_read_before_the_change_was_noticed_found_the_new_file_all_the_same() -> None:
    """A fast reader is ahead of our refreshes."""
    view = a_view(first_generation(conf(OLD), 10, 10))
    state = ResolverState(1).after_read(2, 20, view).after_read(3, 60, view)
    view.history = follow(view.history, conf(NEW), 50, 90)
    state.date_reads()
    assert state.reads == (Read(20, 1), Read(60, 2))
    assert state.first_reads == (FirstRead(1, 20), FirstRead(2, 60))


def test_reads_older_than_what_is_kept_of_the_view_stay_as_they_were() -> None:
    """What generation they found is not known any better."""
    view = a_view(first_generation(conf(OLD), 10, 10))
    state = ResolverState(1).after_read(2, 20, view)
    for number in range(100):
        view.history = follow(view.history, conf(OTHER if number % 2 else NEW), 100 + number, 100 + number)
    state.date_reads()
    assert state.reads == (Read(20, 1),)


def test_one_that_reads_before_each_lookup_stays_within_bounds_and_keeps_its_first_reads() -> None:
    """Musl reads at each lookup; the first read after a removal is what the clear rule goes by."""
    view = a_view(first_generation(conf(OLD), 10, 10))
    state = ResolverState(0).after_read(1, 20, view)
    for number in range(2, 1000):
        state = state.after_read(number, number * 20, view)
    assert len(state.reads) <= 16
    assert state.first_reads == (FirstRead(1, 20),)


def test_a_sole_member_that_reads_again_leaves_no_state_behind() -> None:
    """Musl at each lookup, Go every five seconds: no churn."""
    world = World()
    world.start(10)
    for _ in range(50):
        world.read(10)
        world.query(10)
        world.tick()
    assert len(list(world.ledger.states)) == 1
    assert sum(use.queries for use in world.pair(10).uses.values()) == 50


def test_a_state_that_others_may_have_outlives_a_read() -> None:
    """The child that was forked before goes by it, though it did nothing yet."""
    world = World()
    world.start(10)
    world.read(10)
    world.fork(10, 11)
    world.tick()
    world.read(10)
    world.tick()
    state = world.map.entries[11].res_state_id
    assert world.ledger.states.get(state) is not None
    world.ledger.states.forget_unused({entry.res_state_id for entry in world.map.entries.values()})
    assert world.ledger.states.get(state) is not None
    world.exit(11)
    for _ in range(3):
        world.tick()
    world.ledger.states.forget_unused({entry.res_state_id for entry in world.map.entries.values()})
    assert world.ledger.states.get(state) is None


def test_a_child_that_reads_remembers_whose_state_it_had() -> None:
    """A second resolver in it may still go by that (spamd)."""
    world = World()
    world.start(10)
    world.read(10)
    world.query(10)
    world.fork(10, 11)
    world.tick()
    world.change(NEW)
    world.read(11)
    world.query(11)
    world.tick()
    parent = world.process(10)
    assert world.process(11).res_state.origin == Origin(10, parent.id.birth, 1)
    world.read(11)
    world.query(11)
    world.tick()
    assert world.process(11).res_state.origin == Origin(10, parent.id.birth, 1), "a later read does not change that"
    assert parent.res_state.origin is None


@pytest.mark.parametrize("entered", [False, True])
def test_who_read_between_change_and_notice_has_read_the_new_file(*, entered: bool) -> None:
    """Whether the read was entered before the change was noticed or after: it followed."""
    world = World()
    world.start(10)
    world.read(10)
    world.query(10)
    world.tick()
    began = world.moment()
    read = world.read(10)
    if entered:
        world.tick()
    world.write(conf(NEW), began=began)
    world.query(10, NEW)
    world.tick()
    assert world.process(10).last_read == Read(read, 2)
    assert world.process(10).res_state.first_reads[-1] == FirstRead(2, read)


def test_states_are_found_by_number_and_begun_with_nothing_known() -> None:
    """A process that read before the daemon came has one too."""
    table = StateTable()
    state = table.find(5)
    assert (state.view, state.reads) == (None, ())
    assert table.find(5) is state
    table.drop(state)
    assert table.get(5) is None
