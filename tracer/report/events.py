"""What has happened since the last tick: flags raised and cleared, and files that changed.

Flags are compared with those of the tick before, so whatever the evaluator and the ledger do, an event is given exactly
when ``check`` starts or stops showing the flag.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from tracer.ledger.ledger import Ledger
from tracer.ledger.pair import Pair, PairKey
from tracer.ledger.process import Process
from tracer.report.answering import nameservers_answering
from tracer.report.snapshot import ProcessSnapshot, Snapshot, ViewSnapshot
from tracer.verdict.answers import Answers
from tracer.verdict.states import State

__all__ = ["AnswerChanges", "Event", "FlagChanges", "Kind", "Why"]


class Kind(StrEnum):
    """What happened."""

    STALE = "stale"
    """A flag was raised."""
    CLEARED = "cleared"
    CHANGED = "changed"
    """A resolv.conf lists other nameservers than before."""
    UNANSWERED = "unanswered"
    """A nameserver stopped answering a flagged process, or one of the host's resolv.conf stopped answering anybody."""
    ANSWERED = "answered"
    """It answers again."""


class Why(StrEnum):
    """Why a flag was cleared."""

    EXITED = "it exited"
    EXECED = "it called exec"
    LISTED = "the nameserver is listed again"
    REREAD = "it re-read the file and then queried a listed nameserver"
    SWITCHED = "it has queried only listed nameservers for clear_seconds"
    RULE = "a rule of the configuration applies"
    OWNED = "it shares a resolver state with another process, which is flagged for it"
    UNKNOWN = "it uses another resolver state or resolv.conf now"


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``at`` is nanoseconds since the Unix epoch. What does not apply to its kind is None.

    ``process`` is as it was when a flag was raised or cleared, or the answers stopped; ``stale_since`` when the flag
    had been raised. ``view`` is the file that changed, or lists the nameserver.
    """

    kind: Kind
    at: int
    process: ProcessSnapshot | None = None
    nameserver: str | None = None
    stale_since: int | None = None
    why: Why | None = None
    view: ViewSnapshot | None = None


class Flag(NamedTuple):
    """One flag: whose, and on which nameserver."""

    process: Process
    key: PairKey


class FlagChanges:
    """Compares the flags of a tick with those of the tick before."""

    def __init__(self, ledger: Ledger) -> None:
        """Begin with the previous daemon's flags: they are no news, unless they have been cleared since."""
        ruling = ledger.evaluator.policy.ruling
        self._flags = {
            Flag(process, key): pair.evidence.flagged
            for process in ledger.processes
            for key, pair in process.pairs.items()
            if pair.evidence.flagged is not None and not process.is_worker and not ruling(process.identity, key.address)
        }

    def take(
        self,
        flagged: Collection[Process],
        now: int,
        describe: Callable[[Process], ProcessSnapshot],
        wall: Callable[[int], int],
    ) -> list[Event]:
        """Give what was raised and cleared since the last call, in order of time.

        ``describe`` writes a process down, ``wall`` makes boot times into times of the wall clock.
        """
        before, self._flags = self._flags, dict(_flags(flagged))
        found = []
        for flag in before.keys() - self._flags.keys():
            since = before[flag]
            found.append(
                Event(
                    Kind.CLEARED,
                    wall(flag.process.ended or now),
                    describe(flag.process),
                    flag.key.address,
                    wall(since),
                    _why_cleared(flag),
                )
            )
        for flag in self._flags.keys() - before.keys():
            since = self._flags[flag]  # before now, if an heir goes on with it
            found.append(Event(Kind.STALE, wall(now), describe(flag.process), flag.key.address, wall(since)))
        return sorted(found, key=lambda event: (event.at, event.process.pid if event.process else 0))


class AnswerChanges:
    """Compares which nameservers answer with what was so before: flagged processes, and those of the host's file."""

    def __init__(self, ledger: Ledger) -> None:
        """Begin with those that got no answers when the previous daemon stopped: that is no news."""
        self._last_answers = ledger.last_answers
        flags = dict(_flags(ledger.processes))
        self._failing = {flag for flag in flags if self._answers(flag) is Answers.NO}
        self._silent: set[str] = set()

    def of_flags(
        self,
        flagged: Collection[Process],
        at: int,
        describe: Callable[[Process], ProcessSnapshot],
        wall: Callable[[int], int],
    ) -> Iterator[Event]:
        """Give whose answers stopped or came back since the last call, as long as it is flagged.

        ``at`` is when that is, in nanoseconds since the Unix epoch; the others are as in :meth:`FlagChanges.take`.
        """
        failing = set()
        for flag, since in sorted(_flags(flagged), key=lambda found: (found[0].process.pid, found[0].key)):
            answers, was_failing = self._answers(flag), flag in self._failing
            if answers is Answers.NO or (was_failing and answers is not Answers.YES):
                failing.add(flag)
            if was_failing is not (flag in failing):
                kind = Kind.ANSWERED if was_failing else Kind.UNANSWERED
                yield Event(kind, at, describe(flag.process), flag.key.address, wall(since))
        self._failing = failing

    def _answers(self, flag: Flag) -> Answers:
        return flag.process.answers(flag.key, self._last_answers.of(flag.key))

    def may_concern_host(self, tracked: Iterable[Process], listed: Collection[str]) -> bool:
        """Tell whether :meth:`of_host` may have anything to give: ``listed`` are the nameservers of the host's file."""
        return bool(self._silent) or any(
            key.address in listed and self._answers(Flag(process, key)) is Answers.NO
            for process in tracked
            for key in process.pairs
        )

    def of_host(self, snapshot: Snapshot) -> Iterator[Event]:
        """Give which nameservers of the host's file stopped answering, or answer again, since the last call."""
        host = next((view for view in snapshot.views if view.id == "host"), None)
        for address, answers in nameservers_answering(snapshot).items():
            if answers is (address in self._silent):
                yield Event(Kind.ANSWERED if answers else Kind.UNANSWERED, snapshot.time, nameserver=address, view=host)
                self._silent ^= {address}
        self._silent &= set(host.nameservers if host is not None else ())


def _flags(flagged: Iterable[Process]) -> Iterator[tuple[Flag, int]]:
    """Give the flags that are counted: of owners and of processes of their own."""
    for process in flagged:
        if process.is_worker or process.ended is not None:
            continue
        for key, pair in process.pairs.items():
            if pair.state is State.STALE and pair.evidence.flagged is not None and not pair.ignored:
                yield Flag(process, key), pair.evidence.flagged


def _why_cleared(flag: Flag) -> Why:
    process, pair = flag.process, flag.process.pairs.get(flag.key)
    if process.ended is not None:
        return Why.EXECED if process.execed else Why.EXITED
    if process.is_worker:
        return Why.OWNED
    if pair is None:
        return Why.UNKNOWN
    if pair.ruling is not None:
        return Why.RULE
    view = process.view
    if view is not None and view.history.lists(flag.key.address, process.read_generation):
        return Why.LISTED
    return _how_it_followed(process, pair)


def _how_it_followed(process: Process, pair: Pair) -> Why:
    """Tell which part of the clear rule (:func:`tracer.verdict.verdict.is_clear`) applied."""
    if pair.evidence.cleared is None:
        return Why.UNKNOWN
    behaviour = process.behaviour()
    read = behaviour.last_read
    is_later = read is not None and read > pair.evidence.cleared
    return Why.REREAD if behaviour.followed and is_later else Why.SWITCHED
