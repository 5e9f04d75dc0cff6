"""What was said of each resolver before the change, beside what it did after: right, unknown, or wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from exporter.demo.lab import OLD
from exporter.feed.check_json import from_json
from exporter.text.forecast import Would, forecast
from tests.zoo.languages import SAME_TIME
from tests.zoo.observe import Observed, Row, worst
from tracer.verdict.following import Follows

__all__ = ["Outcome", "Result", "compare"]

_WOULD = {Follows.YES: Would.FOLLOW, Follows.NO: Would.STAY, Follows.UNKNOWN: Would.UNKNOWN}
_LEFT = {"current", "retired", "quiet"}
_BOTH = "stayed for a time, then followed by itself"


class Outcome(Enum):
    """What became of a forecast."""

    RIGHT = "right"
    UNKNOWN = "unknown"
    WRONG = "wrong"
    UNTRIED = "not tried"
    """The change, or the case, did not put it to the test."""


@dataclass(frozen=True)
class Result:
    """What was said that it would do, and why; what it did, or why that was not tried."""

    would: str
    reason: str
    did: str
    outcome: Outcome


def compare(one: Observed) -> Result:
    """Give what was said of the process that matters, and what it did."""
    if not one.before:
        return Result("-", "was not in the table", "-", Outcome.UNTRIED)
    row = worst(one.before)
    would, reason = _said(one, row)
    untried = _untried(one, row)
    if untried:
        return Result(would, reason, untried, Outcome.UNTRIED)
    stayed = _stayed(one)
    did = "stayed" if stayed else "followed"
    if stayed and one.case.meanwhile and one.row["state"] != "stale":
        did = _BOTH
    if would == Would.UNKNOWN:
        return Result(would, reason, did, Outcome.UNKNOWN)
    right = did in {_BOTH, "stayed" if would == Would.STAY else "followed"}
    return Result(would, reason, did, Outcome.RIGHT if right else Outcome.WRONG)


def _said(one: Observed, row: Row) -> tuple[str, str]:
    """Give what `resolvtrace forecast` said, of those whose resolv.conf is the host's or a copy of it; else why not.

    Elsewhere the file that is changed is the world's own, so that what counts is whether the process follows that.
    """
    if one.case.site.is_host:
        for prospect in forecast(from_json(one.check_before), [OLD]).prospects:
            if prospect.process.pid == row["pid"]:
                return prospect.would.value, prospect.reason
    return _WOULD[Follows(row["follows"])].value, row["follows_reason"]


def _untried(one: Observed, row: Row) -> str:
    """Say why the change did not put the forecast to the test; empty if it did."""
    site = one.case.site
    listed_once, listed = _nameservers(site.before, *site.between), _nameservers(site.after)
    dropped = ({use["address"] for use in row["nameservers"]} or {OLD}) & listed_once - listed
    if not dropped:
        return "the change removed nothing that it queried"
    if any(use["address"] in dropped and use["state"] == "current" for use in one.row["nameservers"]):
        return "goes by another file, which was not changed"
    if one.case.queried == "nobody" and one.row["state"] != "stale":
        return "did not query what was removed, or nobody any more"
    if one.case.site is SAME_TIME and "mtime" in row["follows_reason"]:
        return "the new file came with the mtime of the old one"
    return ""


def _nameservers(*files: str) -> set[str]:
    """Give what files list."""
    return set(re.findall(r"^nameserver (\S+)", "".join(files), re.MULTILINE))


def _stayed(one: Observed) -> bool:
    """Tell whether it went on querying what was removed: by its flag, and by the nameservers' own logs."""
    if one.row["state"] == "outdated" or any("stale" in states for since, states in one.states if since >= 0):
        return True
    if f"nameserver {OLD}\n" in one.case.site.after or not one.queried_after_grace.get(OLD, 0):
        return False
    # A forwarder may have passed on what it queried the new one for.
    uses = [use["state"] for use in one.row["nameservers"] if use["address"] == OLD]
    return not one.row["nameservers"] or any(state not in _LEFT for state in uses)
