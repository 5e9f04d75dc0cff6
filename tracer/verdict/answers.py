"""Does a nameserver answer a process? From its queries and from the answers that were seen, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

__all__ = ["Answering", "Answers", "AnswersSeen"]

_SECOND = 1_000_000_000
_RECENT = 10 * _SECOND
_FEWEST_QUERIES = 3
_MOST_SILENCES = 2
"""A nameserver that was down, and is back, may answer others first: once, and not twice."""


class Answers(StrEnum):
    """Whether a nameserver answers a process."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class AnswersSeen(NamedTuple):
    """What was seen together with some queries, all over UDP. Times are nanoseconds of CLOCK_BOOTTIME.

    ``last`` is when the last answer came, 0 if none was seen; then ``unanswered`` queries were sent after it, the first
    of them at ``since``.
    """

    last: int = 0
    unanswered: int = 0
    since: int = 0


@dataclass(slots=True)
class Answering:
    """How one nameserver answers one process, over UDP.

    ``last`` is when the last answer came, 0 if none was seen. ``unanswered`` queries were sent since then, or in all,
    or since the nameserver last answered others, the first of them at ``since``; ``queried`` is when the last was sent.

    If it answers others meanwhile, its answers may come in a way that is not seen. ``unheard`` queries were sent
    without an answer since it answered others at ``alive_at``; ``silences`` is how often there were many for long.
    """

    last: int = 0
    unanswered: int = 0
    since: int = 0
    queried: int = 0
    alive_at: int = 0
    unheard: int = 0
    silences: int = 0

    def add(self, number: int, first: int, last: int, seen: AnswersSeen, last_of_all: int = 0) -> None:
        """Add ``number`` queries, sent from ``first`` to ``last``, and the answers that were seen meanwhile.

        ``last_of_all`` is when the nameserver last answered anybody, 0 if never.
        """
        if number:
            self.queried = max(self.queried, last)
        if seen.last > self.last:
            self.last, self.unanswered, self.since = seen
            self.alive_at = self.unheard = 0
            self.silences = self.silences if self._is_heard_in_part else 0
        elif number:
            if self.unanswered and last_of_all > self.since:
                self._begin_again(last_of_all)
            self.since = self.since if self.unanswered else max(first, self.last)
            self.unanswered += number
            self.unheard += number

    def _begin_again(self, answered: int) -> None:
        """Count from when others were answered: until then the nameserver was alive."""
        self.unanswered = 0
        if not self.alive_at:
            self.alive_at, self.unheard = answered, 0
        elif self.unheard >= _FEWEST_QUERIES and answered - self.alive_at >= _RECENT:
            self.alive_at, self.unheard = answered, 0
            self.silences = min(self.silences + 1, _MOST_SILENCES)

    @property
    def _is_heard_in_part(self) -> bool:
        """Whether it was silent again and again while the nameserver answered others."""
        return self.silences == _MOST_SILENCES

    def answers(self, last_of_any: int, last_of_all: int = 0) -> Answers:
        """Tell whether it answers. ``last_of_any`` is when any nameserver last answered this process, 0 if never.

        ``last_of_all`` is as in :meth:`add`. It is not known of a process that receives in ways that are not seen: an
        answer must have been seen of this nameserver before, or of another since, and nobody else been answered since.
        """
        if self.last and self.queried - self.last <= _RECENT:
            return Answers.YES
        is_seen = (self.last or last_of_any > self.since) and not self._is_heard_in_part
        is_silent = self.unanswered >= _FEWEST_QUERIES and self.queried - self.since >= _RECENT
        return Answers.NO if is_seen and is_silent and last_of_all <= self.since else Answers.UNKNOWN
