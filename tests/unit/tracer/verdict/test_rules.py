"""Rules of the administrator: what is ignored, what is expected, who is waited for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.doubles import NEW, OLD
from tests.support.words import said
from tests.support.world import World
from tracer.identity import Identity
from tracer.ledger.process import Process
from tracer.verdict.rules import Action, Policy, Rule, UnitThresholds
from tracer.verdict.states import State
from tracer.verdict.verdict import Thresholds

HTTPD = Identity(comm="httpd", uid=33, unit="apache2.service", container=None)


def rule(action: Action = Action.IGNORE, name: str = "lab", **patterns: str) -> Rule:
    """Return a rule."""
    return Rule(action, name, **patterns)


def stale(*rules: Rule) -> World:
    """Give a world in which process 10 would be stale but for the rules."""
    world = World(OLD, policy=Policy(rules=rules))
    world.start(10)
    world.make_stale(10)
    return world


def of(world: World) -> Process:
    """Give that process."""
    return world.process(10)


@pytest.mark.parametrize(
    ("patterns", "applies"),
    [
        ({"comm": "httpd"}, True),
        ({"comm": "http*"}, True),
        ({"comm": "HTTPD"}, False),
        ({"unit": "apache2.service"}, True),
        ({"unit": "apache2"}, False),
        ({"container": "*"}, False),
        ({"user": "www-data"}, True),
        ({"user": "33"}, True),
        ({"user": "root"}, False),
        ({"nameserver": "192.0.2.*"}, True),
        ({"nameserver": NEW}, False),
        ({"comm": "httpd", "nameserver": OLD}, True),
        ({"comm": "httpd", "nameserver": NEW}, False),
    ],
)
def test_all_patterns_of_a_rule_must_match(patterns: dict[str, str], *, applies: bool) -> None:
    """They are globs; what a process has not, no pattern matches."""
    policy = Policy(rules=(Rule(Action.IGNORE, "lab", **patterns),), users={33: "www-data"})
    assert (policy.ruling(HTTPD, OLD) is not None) is applies


def test_rules_add_up_and_all_that_apply_are_named() -> None:
    """None replaces another; to ignore goes before to expect."""
    rules = (
        rule(Action.EXPECT, "a", comm="httpd"),
        rule(Action.EXPECT, "b", unit="apache*"),
        rule(Action.EXPECT, "c", comm="x"),
    )
    ruling = Policy(rules=rules).ruling(HTTPD, OLD)
    assert ruling is not None
    assert (ruling.action, ruling.names) == (Action.EXPECT, ("a", "b"))
    ruling = Policy(rules=(*rules, rule(name="d", comm="*"))).ruling(HTTPD, OLD)
    assert ruling is not None
    assert (ruling.action, ruling.names) == (Action.IGNORE, ("d",))


def test_who_is_ignored_is_not_flagged_and_its_pair_tells_the_truth() -> None:
    """`check --all` shows what was ignored."""
    world = stale(rule(comm="getip"))
    assert (of(world).worst, of(world).flagged) == (State.CURRENT, None)
    assert world.state(10) is State.STALE
    assert world.pair(10).ignored
    assert "which is ignored by rule lab" in said(world)[0]


def test_one_nameserver_may_be_ignored_and_another_not() -> None:
    """The process's state is that of the rest."""
    world = stale(rule(nameserver=NEW))
    world.query(10, NEW)
    world.tick()
    assert of(world).worst is State.STALE
    assert world.pair(10, NEW).ignored


def test_what_is_expected_is_current_as_if_it_were_listed() -> None:
    """Removed from the file, or never in it."""
    world = stale(rule(Action.EXPECT, nameserver=OLD), rule(Action.EXPECT, "quad", nameserver="9.9.9.9"))
    world.query(10, "9.9.9.9")
    world.tick()
    assert world.state(10) is State.CURRENT
    assert world.state(10, "9.9.9.9") is State.CURRENT
    assert of(world).flagged is None
    assert ", as rule " in said(world)[0]


def test_a_rule_that_goes_lets_the_flag_up_at_once_and_one_that_comes_takes_it_down() -> None:
    """What was seen meanwhile counts: SIGHUP."""
    for action in Action:
        world = stale(rule(action, comm="getip"))
        world.ledger.set_policy(Policy())
        world.tick()
        assert of(world).worst is State.STALE
        assert of(world).flagged is not None
        world.ledger.set_policy(Policy(rules=(rule(action, comm="getip"),)))
        world.tick()
        assert of(world).worst is State.CURRENT
        assert of(world).flagged is None


def test_a_unit_may_be_waited_for_longer() -> None:
    """The flag goes up when its own thresholds are passed."""
    unit_thresholds = (UnitThresholds("slow*.service", min_queries=5),)
    world = World(OLD, policy=Policy(unit_thresholds=unit_thresholds))
    for pid, unit in ((10, "slow1.service"), (11, "quick.service")):
        world.start(pid)
        world.machine.identities[pid] = Identity(comm="x", unit=unit, start=1)
        world.read(pid)
        world.query(pid)
    world.tick()
    world.change(NEW)
    world.past_grace()
    for pid in (10, 11):
        world.query(pid, OLD, 2)
    world.tick()
    assert (world.state(10), world.state(11)) == (State.GRACE, State.STALE)
    world.query(10, OLD, 3)
    world.tick()
    assert world.state(10) is State.STALE


def test_where_several_globs_match_the_largest_threshold_holds() -> None:
    """Of each threshold by itself, and none is less than it says."""
    policy = Policy(
        Thresholds(2, 15, 300),
        (UnitThresholds("*", min_queries=3), UnitThresholds("apache2.service", min_queries=9, grace_seconds=5)),
    )
    assert policy.thresholds_of(HTTPD) == Thresholds(9, 5, 300)
    assert policy.thresholds_of(replace(HTTPD, unit="x.service")) == Thresholds(3, 15, 300)
    assert policy.thresholds_of(replace(HTTPD, unit=None)) == Thresholds(2, 15, 300)
