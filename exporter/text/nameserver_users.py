"""Who uses a nameserver: the answer to "may I switch it off?", from the check form alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from tracer.report.snapshot import GenerationView, NameserverUse, PastUse, ProcessSnapshot, Snapshot, Time
from tracer.verdict.states import State

__all__ = ["Answer", "NameserverUsers", "find_users"]

_NANOSECONDS = 1_000_000_000
_Uses = list[tuple[ProcessSnapshot, NameserverUse]]


class Answer(Enum):
    """Whether somebody uses it."""

    YES = "yes"
    NO = "no"
    MAYBE = "maybe"
    """Nobody does, but a quiet process may query it again at its next lookup."""
    TOO_EARLY = "too early"
    """Nobody was seen to, but resolvtrace has not watched for long enough to say so."""


@dataclass(frozen=True, slots=True)
class NameserverUsers:
    """What is known of one nameserver's users.

    ``listed``: the files that list it now; whoever looks up a name by them will query it. ``users`` query it, ``quiet``
    did and may again, ``stopped`` did and have switched to others, or not within the window. ``past``: what processes
    that have exited queried within the window and after the removal; they may be started again (a cron job).
    ``quiet_since``: nobody else can have used it unseen since then: when resolvtrace started, or the removal if later.
    """

    address: str
    answer: Answer
    listed: list[str]
    users: _Uses
    quiet: _Uses
    stopped: _Uses
    past: list[PastUse]
    quiet_since: Time


def find_users(check: Snapshot, address: str, window: float) -> NameserverUsers:
    """Return who uses a nameserver; the answer covers the last ``window`` seconds."""
    begin = check.time - int(window * _NANOSECONDS)
    users, quiet, stopped = _living(check, address, begin)
    removed = {view.id: until for view in check.views if (until := _removed(view.history, address))}
    past = [
        use
        for use in check.past_uses
        if use.address == address
        and _is_later(use.last_query, removed.get(use.view or ""))
        and _is_later(use.last_query, begin)
    ]
    listed = [view.path for view in check.views if address in (*view.nameservers, *view.also_listed)]
    quiet_since = max([check.watching_since, *removed.values()])
    if listed or users or past:
        answer = Answer.YES
    elif quiet:
        answer = Answer.MAYBE
    elif _is_later(quiet_since, begin):
        answer = Answer.TOO_EARLY
    else:
        answer = Answer.NO
    return NameserverUsers(address, answer, listed, users, quiet, stopped, past, quiet_since)


def _living(check: Snapshot, address: str, begin: Time) -> tuple[_Uses, _Uses, _Uses]:
    """Sort the living processes that have queried it into those that use it, that may again, and that did.

    One that has the address from its own configuration (``unlisted``) uses it if it queried it after ``begin``.
    """
    users: _Uses = []
    quiet: _Uses = []
    stopped: _Uses = []
    for process in check.processes:
        for use in process.nameservers:
            if use.address != address:
                continue
            match use.state:
                case State.QUIET:
                    quiet.append((process, use))
                case State.RETIRED:
                    stopped.append((process, use))
                case State.UNLISTED if use.last_query and not _is_later(use.last_query, begin):
                    stopped.append((process, use))
                case _:
                    users.append((process, use))
    return users, quiet, stopped


def _removed(history: Sequence[GenerationView], address: str) -> Time | None:
    """Return when the last generation that listed it ended; None if none did, or it is still listed."""
    ends = [generation.until for generation in history if address in generation.nameservers]
    return ends[-1] if ends else None


def _is_later(time: Time, other: Time | None) -> bool:
    return other is None or time > other
