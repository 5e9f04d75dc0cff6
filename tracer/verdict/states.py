"""The states of a process towards a nameserver."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """State of a (process, nameserver, network namespace) pair, and of a process: the worst of its pairs."""

    STALE = "stale"
    OUTDATED = "outdated"
    GRACE = "grace"
    SUSPECT = "suspect"
    QUIET = "quiet"
    UNLISTED = "unlisted"
    CURRENT = "current"
    RETIRED = "retired"


SEVERITY: tuple[State, ...] = tuple(State)
"""Worst first: a process shows the worst state of its pairs, and ``retired`` only if it has no other."""
