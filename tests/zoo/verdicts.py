"""What every case's verdict is held to."""

from __future__ import annotations

import re

from exporter.demo.lab import NEW, OLD
from tests.zoo.case import Expected
from tests.zoo.observe import Observed, Row


def assert_truth(one: Observed) -> None:
    """By the nameservers' logs the resolver does what the case says, or the case would prove nothing."""
    queried = one.queried_after_grace
    reached = {address for address in (OLD, NEW) if queried[address]}
    assert reached == {"old": {OLD}, "new": {NEW}, "both": {OLD, NEW}, "nobody": set()}[one.case.queried], (
        one.program.output()[-2000:]
    )


def assert_verdict(one: Observed) -> None:
    """State, lookup path, reason and advice."""
    if not one.case.tracked:
        assert one.ever <= {"current"}, one.states
        return
    assert one.row["state"] == one.case.expected.state, one.story()
    assert_said(one.row, one.case.expected)
    if one.case.meanwhile:
        states = {row["state"]: row for row in one.passed}
        assert one.case.meanwhile.state in states, one.states
        assert_said(states[one.case.meanwhile.state], one.case.meanwhile)


def assert_said(row: Row, expected: Expected) -> None:
    """One row says what is expected."""
    assert row["state"] == expected.state, row
    assert row["lookup_path"] in expected.path.split("|"), row
    assert re.search(expected.reason, row["reason"]), row["reason"]
    assert re.search(expected.advice, row["advice"]), row["advice"]


def assert_no_false_flag(one: Observed) -> None:
    """Whoever is not stale in the end was flagged in no sample; whoever is, in none before the change."""
    if one.case.expected.state != "stale" and not one.case.meanwhile:
        assert "stale" not in one.ever, one.states
    assert not [states for since, states in one.states if since < 0 and states & {"stale", "outdated", "grace"}]


def assert_cured(one: Observed) -> None:
    """After its restart it queries the new nameserver alone, and is flagged no more.

    A reload in place lets what is under way come to its end.
    """
    assert one.case.cure or one.queried_when_cured[OLD] == 0
    assert one.queried_when_cured[NEW] >= 1
    assert one.cured
    assert {row["state"] for row in one.cured} <= {"current", "unlisted"}, one.cured
