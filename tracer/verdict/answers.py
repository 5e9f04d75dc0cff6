"""Does a nameserver answer a process? From its queries and from the answers that were seen, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

__all__ = ["Answering", "Answers", "AnswersSeen"]

_SECOND = 1_000_000_000
_RECENT = 10 * _SECOND
_FEWEST_QUERIES = 3


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
    the first of them at ``since``; ``queried`` is when the last was sent.
    """

    last: int = 0
    unanswered: int = 0
    since: int = 0
    queried: int = 0

    def add(self, number: int, first: int, last: int, seen: AnswersSeen) -> None:
        """Add ``number`` queries, sent from ``first`` to ``last``, and the answers that were seen meanwhile."""
        if number:
            self.queried = max(self.queried, last)
        if seen.last > self.last:
            self.last, self.unanswered, self.since = seen
        elif number:
            self.since = self.since if self.unanswered else first
            self.unanswered += number

    def answers(self, last_of_any: int) -> Answers:
        """Tell whether it answers. ``last_of_any`` is when any nameserver last answered this process, 0 if never.

        It is not known of a process that receives in ways that are not seen: an answer must have been seen of this
        nameserver before, or of another since.
        """
        if self.last and self.queried - self.last <= _RECENT:
            return Answers.YES
        is_seen = self.last or last_of_any > self.since
        if is_seen and self.unanswered >= _FEWEST_QUERIES and self.queried - self.since >= _RECENT:
            return Answers.NO
        return Answers.UNKNOWN
