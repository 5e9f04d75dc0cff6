"""What the administrator said beforehand: whom to ignore, whom to expect where, and the thresholds of a unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TypeVar

from tracer.identity import Identity
from tracer.verdict.verdict import Thresholds

__all__ = ["Action", "Policy", "Rule", "Ruling", "UnitThresholds"]

_MOST_CACHED = 4096
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Action(StrEnum):
    """What a rule does with a process and a nameserver."""

    IGNORE = "ignore"
    """Raise no flag for it, and show it only if everything is requested."""
    EXPECT = "expect"
    """Take the nameserver for one that the process is meant to query: ``current``, as if it were listed."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Each pattern is a glob (fnmatch(3), case counts), None if any will do; all of them must match.

    ``user`` is compared with the user's name and with the number. ``name`` is what ``explain`` calls the rule.
    """

    action: Action
    name: str
    comm: str | None = None
    unit: str | None = None
    container: str | None = None
    user: str | None = None
    nameserver: str | None = None

    def applies(self, identity: Identity, users: Mapping[int, str], address: str) -> bool:
        """Tell whether it speaks of this process and this nameserver."""
        return (
            _matches(self.comm, identity.comm)
            and _matches(self.unit, identity.unit)
            and _matches(self.container, identity.container)
            and _matches(self.nameserver, address)
            and (self.user is None or self._is_user(identity.uid, users))
        )

    def _is_user(self, uid: int | None, users: Mapping[int, str]) -> bool:
        return uid is not None and (_matches(self.user, str(uid)) or _matches(self.user, users.get(uid)))


def _matches(pattern: str | None, text: str | None) -> bool:
    return pattern is None or (text is not None and fnmatchcase(text, pattern))


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the rules make of one process and one nameserver; ``names`` are those of all rules that apply so."""

    action: Action
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnitThresholds:
    """Thresholds of the units that a glob matches; None if the overall one holds."""

    unit: str
    min_queries: int | None = None
    grace_seconds: float | None = None
    clear_seconds: float | None = None


@dataclass(frozen=True)
class Policy:
    """All of it. ``users`` gives the names of user numbers."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    unit_thresholds: tuple[UnitThresholds, ...] = ()
    rules: tuple[Rule, ...] = ()
    users: Mapping[int, str] = field(default_factory=dict)

    def thresholds_of(self, identity: Identity) -> Thresholds:
        """Give a process's thresholds: if several globs match its unit, the largest of each."""
        if not self.unit_thresholds or identity.unit is None:
            return self.thresholds
        known = self._thresholds.get(identity.unit)
        return known or _keep(self._thresholds, identity.unit, self._largest_of(identity.unit))

    @property
    def longest_grace(self) -> float:
        """Give the longest grace that any process has, in seconds, as far as the configuration says."""
        own = (one.grace_seconds for one in self.unit_thresholds if one.grace_seconds is not None)
        return max((self.thresholds.grace_seconds, *own))

    def _largest_of(self, unit: str) -> Thresholds:
        own = [one for one in self.unit_thresholds if fnmatchcase(unit, one.unit)]
        return Thresholds(
            max((one.min_queries for one in own if one.min_queries is not None), default=self.thresholds.min_queries),
            max(
                (one.grace_seconds for one in own if one.grace_seconds is not None),
                default=self.thresholds.grace_seconds,
            ),
            max(
                (one.clear_seconds for one in own if one.clear_seconds is not None),
                default=self.thresholds.clear_seconds,
            ),
        )

    def ruling(self, identity: Identity, address: str) -> Ruling | None:
        """Tell what the rules make of a process and a nameserver. They add up; to ignore goes before to expect."""
        if not self.rules:
            return None
        key = (identity.comm, identity.unit, identity.container, identity.uid, address)
        if key in self._rulings:
            return self._rulings[key]
        applying = [rule for rule in self.rules if rule.applies(identity, self.users, address)]
        actions = {rule.action for rule in applying}
        ruling = None
        if actions:
            action = Action.IGNORE if Action.IGNORE in actions else Action.EXPECT
            ruling = Ruling(action, tuple(rule.name for rule in applying if rule.action is action))
        return _keep(self._rulings, key, ruling)

    @cached_property
    def _thresholds(self) -> dict[str, Thresholds]:
        return {}

    @cached_property
    def _rulings(self) -> dict[tuple[object, ...], Ruling | None]:
        return {}


def _keep(known: dict[_Key, _Value], key: _Key, value: _Value) -> _Value:
    """Remember an answer; a machine with many names does not fill the memory."""
    if len(known) >= _MOST_CACHED:
        known.clear()
    known[key] = value
    return value
