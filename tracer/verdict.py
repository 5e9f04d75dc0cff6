"""Who is stale: a pure function of a view's history, what a process did, the time and the thresholds.

No clock, no /proc, no BPF: any history can be tried. Times are nanoseconds of CLOCK_BOOTTIME.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from tracer.generations import SECOND, History, Removal
from tracer.snapshot import State


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How much evidence it takes; the configuration's table [verdict]."""

    min_queries: int = 2
    grace_seconds: float = 15.0
    clear_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class Burst:
    """What was asked within one tick. ``previous`` is the time of the one before the last, 0 for none.

    ``handshakes`` of ``count`` are segments of TLS handshakes, which count for no threshold. ``state`` is the resolver
    state in which it was asked: their numbers rise with each read of resolv.conf, and put reads and queries in order
    where clocks are too coarse for it.
    """

    count: int
    first: int
    last: int
    previous: int = 0
    handshakes: int = 0
    state: int = 0

    def sent_after(self, time: int) -> int:
        """Count those that were certainly sent later than this: never too many."""
        counted = self.count - self.handshakes
        if self.first > time:
            return max(counted, 0)
        # Of a tick that lies on both sides only the last two are known, and they may be the handshakes.
        return max(min(counted, (self.last > time) + (self.previous > time) - self.handshakes), 0)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one process and one nameserver.

    ``since_removed`` and ``late`` speak of the removal noticed at ``removal``: queries sent after it, and later than
    its grace. ``late`` starts anew when the clear rule applies. ``flagged`` is when it first was enough. ``state`` is
    the resolver state of the last query.
    """

    first: int | None = None
    last: int | None = None
    state: int = 0
    removal: int | None = None
    since_removed: int = 0
    late: int = 0
    flagged: int | None = None
    cleared: int | None = None


class Suspend(NamedTuple):
    """When the machine was suspended, and for how long; nanoseconds of boot time, which goes on meanwhile."""

    began: int
    slept: int


@dataclass(frozen=True, slots=True)
class Conduct:
    """What the process did besides, as far as it clears.

    ``followed``: the resolver state that its latest read of the file gave it, after which it asked a nameserver that
    is listed now. ``last_current``: when it last asked one. ``suspends``: when the machine was suspended, and for how
    long, in which nobody asks anything.
    """

    started: int | None = None
    followed: int | None = None
    last_current: int | None = None
    suspends: tuple[Suspend, ...] = ()

    def awake(self, since: int) -> int:
        """Give for how long the machine was at work from then until it last asked a current nameserver."""
        if self.last_current is None:
            return 0
        asleep = sum(one.slept for one in self.suspends if since <= one.began < self.last_current)
        return self.last_current - since - asleep


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where a process stands: its own view, and the host's where that is another."""

    own: History | None
    host: History | None = None
    forwarder: bool = False
    """It asks on behalf of others, and where it takes its upstreams from is not known."""
    expected: frozenset[str] = frozenset()
    """Nameservers that it is meant to ask, by the administrator's rules, listed or not."""


def take_in(evidence: Evidence, burst: Burst, removal: Removal | None, thresholds: Thresholds) -> Evidence:
    """Add a burst. ``removal`` is the one in force for the address, None where it is listed or never was."""
    first = burst.first if evidence.first is None else min(evidence.first, burst.first)
    last = burst.last if evidence.last is None else max(evidence.last, burst.last)
    state = max(evidence.state, burst.state)
    if removal is None:
        return Evidence(first, last, state)
    evidence = align(replace(evidence, first=first, last=last, state=state), removal)
    since = evidence.since_removed + burst.sent_after(removal.noticed)
    bound = removal.deadline(thresholds.grace_seconds)
    if evidence.cleared is not None:
        bound = max(bound, evidence.cleared)
    return replace(evidence, since_removed=since, late=evidence.late + burst.sent_after(bound))


def align(evidence: Evidence, removal: Removal | None) -> Evidence:
    """Forget what was counted for another removal than the one in force: the nameserver was listed again since."""
    noticed = removal.noticed if removal else None
    if evidence.removal == noticed:
        return evidence
    return replace(evidence, removal=noticed, since_removed=0, late=0, flagged=None, cleared=None)


def is_clear(evidence: Evidence, conduct: Conduct, thresholds: Thresholds) -> bool:
    """Apply the clear rule: evidence alone, never silence.

    Since its last query to the old nameserver the process read the file and then asked a current one; or it went on
    asking current ones until ``clear_seconds`` after that query, in which the machine was not suspended.
    """
    if evidence.last is None:
        return False
    if conduct.followed is not None and conduct.followed > evidence.state:
        return True
    return conduct.last_current is not None and conduct.awake(evidence.last) >= thresholds.clear_seconds * SECOND


def settle(
    evidence: Evidence, address: str, outlook: Outlook, conduct: Conduct, thresholds: Thresholds, now: int
) -> Evidence:
    """Raise or clear the flag on what is known by now."""
    removal = removal_for(address, outlook)
    evidence = align(evidence, removal)
    if removal is None:
        return evidence
    if address in outlook.expected:
        return replace(evidence, flagged=None)
    if evidence.last is not None and evidence.last > removal.noticed and is_clear(evidence, conduct, thresholds):
        if evidence.cleared is not None and evidence.cleared >= evidence.last:
            return evidence
        return replace(evidence, late=0, flagged=None, cleared=evidence.last)
    if evidence.flagged is None and evidence.late >= thresholds.min_queries:
        return replace(evidence, flagged=now)
    return evidence


def removal_for(address: str, outlook: Outlook) -> Removal | None:
    """Give the removal that a process is judged by: that from its own view."""
    if outlook.own is None or outlook.forwarder:
        return None
    return outlook.own.removals.get(address)


def judge(
    evidence: Evidence, address: str, outlook: Outlook, conduct: Conduct, thresholds: Thresholds, now: int
) -> State:
    """Give the state of a pair whose evidence is settled: the first that fits."""
    if address in outlook.expected:
        return State.CURRENT
    if outlook.forwarder:
        return State.UNLISTED
    removal = removal_for(address, outlook)
    if removal is not None:
        return _judge_removed(evidence, removal, conduct, thresholds, now)
    own = outlook.own
    if own is not None and own.lists(address):
        left_on_host = outlook.host is not None and address in outlook.host.removals
        return State.OUTDATED if left_on_host else State.CURRENT
    older_than_file = own is not None and conduct.started is not None and conduct.started < own.file_changed
    return State.SUSPECT if older_than_file else State.UNLISTED


def _judge_removed(evidence: Evidence, removal: Removal, conduct: Conduct, thresholds: Thresholds, now: int) -> State:
    if evidence.flagged is not None:
        return State.STALE
    if evidence.last is None or evidence.last <= removal.noticed or is_clear(evidence, conduct, thresholds):
        return State.RETIRED
    deadline = removal.deadline(thresholds.grace_seconds)
    # A single query after the grace is not enough; it opens as long a grace of its own.
    open_until = max(deadline, evidence.last + (deadline - removal.noticed)) if evidence.late else deadline
    return State.GRACE if now <= open_until else State.RETIRED
