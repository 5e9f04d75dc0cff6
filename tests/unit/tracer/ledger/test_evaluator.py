"""What the evaluator gathers for the verdict, and what it keeps of it."""

from __future__ import annotations

from tests.support.doubles import NEW, OLD, OTHER, a_view, conf
from tests.support.world import World
from tracer.observation.forwarders import Forwarding
from tracer.resolvconf.history import SECOND, first_generation
from tracer.verdict.rules import Action, Policy, Rule
from tracer.verdict.states import State
from tracer.verdict.verdict import Suspend


def _reader() -> World:
    world = World()
    world.start(10)
    world.read(10)
    world.query(10)
    world.tick()
    return world


def test_a_process_of_the_hosts_view_is_judged_by_that_alone() -> None:
    """Only another view's process is compared with the host's."""
    world = _reader()
    context = world.ledger.evaluator.context(world.process(10))
    assert (context.own, context.host) == (world.host.history, None)
    world.machine.by_root[2] = inside = a_view(first_generation(conf(OLD), world.clock.now, 1), "7:1:2")
    world.start(11, root=2)
    world.query(11)
    world.tick()
    context = world.ledger.evaluator.context(world.process(11))
    assert (context.own, context.host) == (inside.history, world.host.history)


def test_a_forwarder_with_a_file_of_its_own_is_not_outdated_by_the_hosts() -> None:
    """Its upstreams have nothing to do with resolv.conf."""
    world = World()
    own = a_view(first_generation(conf(OLD), world.clock.now, 1), "1:1:9", "/run/upstreams")
    world.machine.forwards[10] = Forwarding(forwards=True, upstreams=own)
    world.start(10)
    world.query(10)
    world.tick()
    world.change(NEW)
    world.tick()
    context = world.ledger.evaluator.context(world.process(10))
    assert (context.own, context.host, context.forwarder) == (own.history, None, False)
    assert world.state(10) is State.CURRENT


def test_what_rules_expect_is_in_the_context() -> None:
    """By nameserver."""
    world = World(policy=Policy(rules=(Rule(Action.EXPECT, "lab", nameserver=OTHER),)))
    world.start(10)
    for address in (OLD, OTHER):
        world.query(10, address)
    world.tick()
    assert world.ledger.evaluator.context(world.process(10)).expected == {OTHER}


def test_who_queries_what_is_listed_is_steady_and_is_not_evaluated_again() -> None:
    """A busy machine costs what changes; a change of the file stops that."""
    world = _reader()
    process = world.process(10)
    assert process.steady
    world.query(10, OLD, 100)
    world.tick()
    assert process.steady
    world.change(NEW)
    world.tick()
    assert not process.steady
    world.query(10, OLD)
    world.tick()
    assert world.ledger.evaluator.in_grace == {process}
    world.past_grace()
    world.tick()
    assert not world.ledger.evaluator.in_grace


def test_whether_a_process_forwards_has_to_be_known_before_it_is_flagged() -> None:
    """It may have begun to serve since it was looked at."""
    world = _reader()
    process = world.process(10)
    assert not world.ledger.evaluator.would_flag(process)
    world.change(NEW)
    world.past_grace()
    world.query(10, OLD, 2)
    batch = world.observer.take(world.counted.items(), world.clock.now, (), nscd=False)
    world.ledger.apply(batch)
    assert world.ledger.perhaps_forwarders() == [process]
    assert not world.ledger.evaluator.flagged


def test_a_flag_that_is_raised_or_cleared_is_reported() -> None:
    """Once each."""
    world = _reader()
    world.change(NEW)
    world.past_grace()
    process = world.process(10)
    world.query(10, OLD, 2)
    world.tick()
    evaluator = world.ledger.evaluator
    assert evaluator.flagged == {process}
    assert not evaluator.evaluate(process, world.clock.now)
    world.change(OLD)
    assert evaluator.evaluate(process, world.clock.now)
    assert not evaluator.flagged
    assert not evaluator.evaluate(process, world.clock.now)


def test_the_latest_suspends_are_kept() -> None:
    """A laptop that sleeps every night for years."""
    evaluator = World().ledger.evaluator
    for number in range(100):
        evaluator.note_suspend(Suspend(number * SECOND, SECOND))
    assert len(evaluator.suspends) == 16
    assert evaluator.suspends[-1].began == 99 * SECOND
