"""Who is stale: a pure function of a view's history, what a process did, the time and the thresholds.

No clock, no /proc, no BPF: any history can be tried. Times are nanoseconds of CLOCK_BOOTTIME.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from tracer.resolvconf.history import SECOND, History, Removal
from tracer.verdict.states import State


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How much evidence a flag needs; the configuration's table [verdict]."""

    min_queries: int = 2
    grace_seconds: float = 15.0
    clear_seconds: float = 300.0


class Queries(NamedTuple):
    """Queries of one process to one nameserver within one tick, all in one resolver state.

    ``first`` is exact. ``last`` and ``previous`` (the one before the last, 0 if there is none) are of the coarse clock.
    ``handshakes`` of ``number`` are segments of TLS handshakes, which count for no threshold. ``strays`` were sent by a
    thread that is not the one which looked at the file last.
    """

    number: int
    first: int
    last: int
    previous: int = 0
    handshakes: int = 0
    strays: int = 0

    def sent_after(self, time: int) -> int:
        """Count those that were certainly sent later than this: never too many."""
        counted = self.number - self.handshakes
        if self.first > time:
            return max(counted, 0)
        # Of a tick that lies on both sides only the last two are known, and they may be the handshakes.
        return max(min(counted, (self.last > time) + (self.previous > time) - self.handshakes), 0)

    def latest_until(self, time: int) -> int | None:
        """Give when the latest of those that are known to be no later than this was sent."""
        return next((sent for sent in (self.last, self.previous or self.first, self.first) if sent <= time), None)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one process and one nameserver.

    ``since_removed`` and ``late`` are about the removal noticed at ``removal``: queries sent after it, and after its
    grace. ``late`` restarts at 0 when the clear rule applies. ``entered`` is the exact time of the first query of the
    latest tick, which orders queries and reads. ``flagged`` is when the flag was raised that stands now. ``listed`` is
    when it was last queried before the latest removal, while it was listed.
    """

    first: int | None = None
    last: int | None = None
    entered: int = 0
    removal: int | None = None
    since_removed: int = 0
    late: int = 0
    flagged: int | None = None
    cleared: int | None = None
    listed: int | None = None

    def last_listed(self, history: History, address: str, read_generation: int | None) -> int | None:
        """Give when it was last queried while it was listed; None if it never was, as far as is known."""
        if self.last is None:
            return None
        since = history.listed_since(address, read_generation)
        if since is None:  # perhaps only since now
            return align(self, history.removal(address, read_generation)).listed
        last = max(self.last, self.entered)
        return self.listed if last < since else last

    def for_heir(self, own: Evidence) -> Evidence:
        """Give the evidence that an heir goes on with; ``own`` is what it sent itself, partly for owners before."""
        goes_on = own if own.flagged is not None and self.flagged is None else self
        times = [one for one in (self, own) if one.last is not None]
        return replace(
            goes_on,
            first=min((one.first for one in times if one.first is not None), default=None),
            last=max((one.last for one in times if one.last is not None), default=None),
            entered=max(self.entered, own.entered),
        )


class Suspend(NamedTuple):
    """When the machine was suspended, and for how long; nanoseconds of boot time, which goes on meanwhile."""

    began: int
    slept: int


class FirstRead(NamedTuple):
    """The first read that found this generation or a later one."""

    generation: int
    at: int


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the process did besides querying the nameserver in question.

    ``last_read`` and ``read_generation``: its latest read of its view's file. ``first_reads``: by rising generation.
    ``checked``: when it last looked at the file's status. ``last_listed``: when it last queried a nameserver that was
    listed at that time. ``suspends``: when the machine was suspended, when nobody queries anything. ``appeared``:
    when it first read its view's file after there had been none.
    """

    started: int | None = None
    last_read: int | None = None
    read_generation: int | None = None
    first_reads: tuple[FirstRead, ...] = ()
    checked: int = 0
    last_listed: int | None = None
    suspends: tuple[Suspend, ...] = ()
    appeared: int | None = None

    def first_read_since(self, removal: Removal) -> int | None:
        """Give the time of the first read that no longer found the nameserver."""
        return next((read.at for read in self.first_reads if read.generation >= removal.generation), None)

    @property
    def followed(self) -> bool:
        """Whether it queried a listed nameserver after its latest read."""
        return self.last_read is not None and self.last_listed is not None and self.last_listed > self.last_read

    def awake(self, since: int) -> int:
        """Give how long the machine was running from then until the last query to a listed nameserver."""
        if self.last_listed is None:
            return 0
        asleep = sum(one.slept for one in self.suspends if since <= one.began < self.last_listed)
        return self.last_listed - since - asleep


NO_BEHAVIOUR = Behaviour()


@dataclass(frozen=True, slots=True)
class Context:
    """What a process is judged against: its own view's history, and the host's if that is another view."""

    own: History | None
    host: History | None = None
    forwarder: bool = False
    """It queries on behalf of others, and it is not known where it takes its upstreams from."""
    expected: frozenset[str] = frozenset()
    """Nameservers that the administrator's rules expect it to query, listed or not."""
    read_generation: int | None = None
    """The generation that it last read: what is implicit counts only for those that read it."""

    def lists(self, address: str) -> bool:
        """Tell whether its view lists a nameserver for this process."""
        return self.own is not None and self.own.lists(address, self.read_generation)

    def removal(self, address: str) -> Removal | None:
        """Give the removal that counts for this process; None if the nameserver is listed or never was."""
        if self.own is None or self.forwarder:
            return None
        return self.own.removal(address, self.read_generation)


def grace_end(removal: Removal, own_read: int | None, thresholds: Thresholds) -> int:
    """Give the end of the grace: until then a query may belong to a lookup that began before the change.

    The first own read after the removal opens a grace of its own, as long as the removal's.
    """
    end = removal.deadline(thresholds.grace_seconds)
    return end if own_read is None else max(end, own_read + end - removal.noticed)


def add(
    evidence: Evidence, queries: Queries, removal: Removal | None, own_read: int | None, thresholds: Thresholds
) -> Evidence:
    """Add a tick's queries. ``removal``: see :meth:`Context.removal`; ``own_read``: the first read since."""
    first = queries.first if evidence.first is None else min(evidence.first, queries.first)
    last = queries.last if evidence.last is None else max(evidence.last, queries.last)
    entered = max(evidence.entered, queries.first)
    if removal is None:
        return Evidence(first, last, entered, listed=evidence.listed)
    evidence = align(evidence, removal)
    listed = max(filter(None, (evidence.listed, queries.latest_until(removal.noticed))), default=None)
    evidence = replace(evidence, first=first, last=last, entered=entered, listed=listed)
    since = evidence.since_removed + queries.sent_after(removal.noticed)
    bound = grace_end(removal, own_read, thresholds)
    if evidence.cleared is not None:
        bound = max(bound, evidence.cleared)
    return replace(evidence, since_removed=since, late=evidence.late + queries.sent_after(bound))


def align(evidence: Evidence, removal: Removal | None) -> Evidence:
    """Drop what was counted for another removal than the one in force: the nameserver was listed again since."""
    noticed = removal.noticed if removal else None
    if evidence.removal == noticed:
        return evidence
    listed = evidence.listed
    if evidence.removal is None and removal is not None and evidence.last is not None:
        last = max(evidence.last, evidence.entered)
        listed = last if last <= removal.noticed else listed
    return replace(evidence, removal=noticed, since_removed=0, late=0, flagged=None, cleared=None, listed=listed)


def is_clear(evidence: Evidence, removal: Removal, behaviour: Behaviour, thresholds: Thresholds) -> bool:
    """Apply the clear rule: evidence alone, never silence.

    Since its last query to the old nameserver the process read the file and then queried a listed one; or that query
    fell into the grace of its own first read, and it has queried a listed one since that read; or it went on querying
    listed ones until ``clear_seconds`` after that query, during which the machine was not suspended.
    """
    if evidence.last is None:
        return False
    if behaviour.followed:
        if behaviour.last_read is not None and max(evidence.entered, evidence.last) < behaviour.last_read:
            return True
        own_read = behaviour.first_read_since(removal)
        if own_read is not None and evidence.last <= grace_end(removal, own_read, thresholds):
            return True
    return behaviour.last_listed is not None and behaviour.awake(evidence.last) >= thresholds.clear_seconds * SECOND


def update_flag(
    evidence: Evidence, address: str, context: Context, behaviour: Behaviour, thresholds: Thresholds, now: int
) -> Evidence:
    """Raise or clear the flag on what is known by now."""
    removal = context.removal(address)
    evidence = align(evidence, removal)
    if removal is None:
        return evidence
    if address in context.expected:
        return replace(evidence, flagged=None)
    if (
        evidence.last is not None
        and evidence.last > removal.noticed
        and is_clear(evidence, removal, behaviour, thresholds)
    ):
        if evidence.cleared is not None and evidence.cleared >= evidence.last:
            return evidence
        return replace(evidence, late=0, flagged=None, cleared=evidence.last)
    if evidence.flagged is None and evidence.late >= thresholds.min_queries:
        return replace(evidence, flagged=now)
    return evidence


def is_in_force(removal: Removal, now: int) -> bool:
    """Tell whether what was sent since a removal can be known at a time: before, the nameserver was listed."""
    return now > removal.noticed


def state_of(
    evidence: Evidence, address: str, context: Context, behaviour: Behaviour, thresholds: Thresholds, now: int
) -> State:
    """Give the state of a pair whose flag is up to date: the first that fits."""
    removal = context.removal(address)
    awaits_removal = removal is not None and not is_in_force(removal, now) and evidence.flagged is None
    if address in context.expected or awaits_removal:
        return State.CURRENT
    if context.forwarder:
        return State.UNLISTED
    if removal is not None:
        return _state_of_removed(evidence, removal, behaviour, thresholds, now)
    own = context.own
    if own is not None and context.lists(address):
        left_on_host = context.host is not None and context.host.removal(address, None) is not None
        return State.OUTDATED if left_on_host else State.CURRENT
    if own is not None and (
        _was_assumed(evidence, address, own, behaviour) or _was_before_the_file(evidence, behaviour)
    ):
        return State.RETIRED
    older_than_file = own is not None and behaviour.started is not None and behaviour.started < own.file_changed
    return State.SUSPECT if older_than_file else State.UNLISTED


def _was_assumed(evidence: Evidence, address: str, own: History, behaviour: Behaviour) -> bool:
    """Tell whether the file named nobody when it took this address, and it has re-read the file and left it since."""
    removal = own.removals.get(address)
    if removal is None or not removal.implicit or behaviour.last_read is None or evidence.last is None:
        return False
    took = any(read.generation == removal.generation - 1 for read in behaviour.first_reads)
    return took and max(evidence.last, evidence.entered) < behaviour.last_read


def _was_before_the_file(evidence: Evidence, behaviour: Behaviour) -> bool:
    """Tell whether it last queried the nameserver while the file that it is judged by was not there (in a chroot)."""
    if behaviour.appeared is None or evidence.last is None:
        return False
    return max(evidence.last, evidence.entered) < behaviour.appeared


def _state_of_removed(
    evidence: Evidence, removal: Removal, behaviour: Behaviour, thresholds: Thresholds, now: int
) -> State:
    if evidence.flagged is not None:
        return State.STALE
    left = State.RETIRED if _has_left(removal, behaviour) else State.QUIET
    if evidence.last is None or evidence.last <= removal.noticed or is_clear(evidence, removal, behaviour, thresholds):
        return left
    deadline = grace_end(removal, behaviour.first_read_since(removal), thresholds)
    # A single query after the grace is not enough; it opens as long a grace of its own.
    length = removal.deadline(thresholds.grace_seconds) - removal.noticed
    open_until = max(deadline, evidence.last + length) if evidence.late else deadline
    return State.GRACE if now <= open_until else left


def _has_left(removal: Removal, behaviour: Behaviour) -> bool:
    """Whether anything was seen that tells that it goes by the list as it is now."""
    has_read = behaviour.read_generation is not None and behaviour.read_generation >= removal.generation
    has_asked = behaviour.last_listed is not None and behaviour.last_listed > removal.noticed
    return has_read or has_asked or behaviour.checked > removal.noticed
