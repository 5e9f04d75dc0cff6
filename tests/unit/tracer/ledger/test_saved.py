"""What of the ledger outlives a daemon."""

from __future__ import annotations

from tests.support.doubles import NEW, OLD
from tests.support.world import World
from tracer.kernel.records import ancestor
from tracer.ledger.past_uses import PastUseCount, PastUseKey
from tracer.ledger.plain import shared
from tracer.ledger.process import ProcessFacts, ProcessId
from tracer.ledger.resolver_state import ResolverStateFacts
from tracer.ledger.saved import ProcessRecord, Saved, StateRecord, merged
from tracer.observation.lineage import SavedProcess, SavedResolverState
from tracer.verdict.states import State


def test_who_did_nothing_but_shares_a_state_that_is_kept_is_saved_with_it() -> None:
    """It may be the one that goes on with it."""
    world = World()
    world.start(10)
    world.read(10)
    world.query(10)
    world.fork(10, 11)
    world.start(12)
    world.tick()
    saved = world.saved()
    assert {one.id.pid: one.identity is not None for one in saved.processes} == {10: True, 11: False}
    assert {one.state for one in saved.processes} == {one.id for one in saved.states}


def test_who_exited_is_not_saved() -> None:
    """What it queried is kept as a past use."""
    world = World()
    world.start(10)
    world.query(10, OLD, 3)
    world.tick()
    world.exit(10)
    for _ in range(2):
        world.tick()
    saved = world.saved()
    assert not saved.processes
    assert [(key.nameserver, use.queries) for key, use in saved.past_uses.items()] == [(OLD, 3)]


def test_a_lineage_tells_who_had_which_state_and_when_that_was_read() -> None:
    """What is entered into the kernel's map again."""
    world = World()
    world.start(10)
    read = world.read(10)
    world.query(10)
    world.fork(10, 11)
    world.query(11)
    world.tick()
    lineage = world.saved().lineage()
    parent, child = world.map.entries[10], world.map.entries[11]
    assert lineage.processes[11] == SavedProcess(child.birth, 0, parent.res_state_id, child.line, child.flags, 0)
    assert lineage.states[parent.res_state_id] == SavedResolverState(
        parent.res_state_id, world.machine.images[10], read, ancestor(10, parent.birth)
    )


def test_later_changes_replace_what_was_there_and_drop_who_left() -> None:
    """By view, state and process; past uses by what they are alike in."""
    key = PastUseKey("x.service", "/usr/bin/x", "host", OLD)
    first = Saved(
        states=[StateRecord(1)],
        processes=[ProcessRecord(ProcessId(10, 5, 0), 1), ProcessRecord(ProcessId(11, 6, 0), 1)],
        past_uses={key: PastUseCount(3, 50)},
    )
    second = Saved(
        processes=[ProcessRecord(ProcessId(10, 5, 0), 2)],
        past_uses={key: PastUseCount(5, 60)},
        left=[ProcessId(11, 6, 0)],
    )
    whole = merged([first, second])
    assert [(one.id.pid, one.state) for one in whole.processes] == [(10, 2)]
    assert whole.past_uses == {key: PastUseCount(5, 60)}
    assert [one.id for one in whole.states] == [1]
    assert Saved().is_empty()
    assert not second.is_empty()


def test_a_view_comes_back_with_its_history() -> None:
    """Generations, removals and what was not seen before."""
    world = World()
    world.change(NEW)
    saved = world.saved().views["host"]
    assert saved.history == world.host.history
    assert (saved.path, saved.directory) == (world.host.path, world.host.directory)


def test_a_flag_comes_back_as_it_was() -> None:
    """State, evidence and counts."""
    world = World()
    world.start(10)
    world.make_stale(10)
    before = world.pair(10)
    world.restart()
    world.tick()
    after = world.pair(10)
    assert (after.state, after.evidence, after.uses) == (State.STALE, before.evidence, before.uses)


def test_every_fact_of_a_process_and_of_its_state_comes_back() -> None:
    """Whatever is declared as one: nothing else has to know of it."""
    world = World()
    world.start(10)
    world.make_stale(10)
    process = world.process(10)
    process.absent, process.answered, process.workers_seen = "/srv/etc/resolv.conf", 7, 3
    process.res_state.appeared = 5
    before = shared(ProcessFacts, process), shared(ResolverStateFacts, process.res_state)
    world.restart()
    world.tick()
    after = world.process(10)
    assert (shared(ProcessFacts, after), shared(ResolverStateFacts, after.res_state)) == before
