"""Which nameservers answer, and whose lookups fail, from a snapshot."""

from __future__ import annotations

from tests.support.samples import NEW, OLD, SECOND, process, snapshot, use
from tracer.report.answering import nameservers_answering, unanswered
from tracer.verdict.answers import Answers
from tracer.verdict.states import State

NOW = snapshot().time


def client(pid: int, answers: Answers, address: str = NEW, last_query: int = NOW) -> object:
    """Return a process that queries a nameserver."""
    return process(pid, nameservers=(use(State.CURRENT, address, answers=answers, last_query=last_query),))


def answering(*processes: object) -> dict[str, bool]:
    """Return what is known of the nameservers of the host's resolv.conf: NEW, and another that nobody queries."""
    return nameservers_answering(snapshot(*processes))  # type: ignore[arg-type]


def test_one_answer_is_enough() -> None:
    """A client behind a filter gets none."""
    assert answering(client(1, Answers.NO), client(2, Answers.YES)) == {NEW: True}


def test_who_gets_no_answers_tells_of_the_nameserver() -> None:
    """As long as nobody else does."""
    assert answering(client(1, Answers.NO), client(2, Answers.UNKNOWN)) == {NEW: False}


def test_what_is_not_known_is_left_out() -> None:
    """Of what nobody queried lately, or of which no answers are seen; and what the host does not list."""
    assert answering(client(1, Answers.UNKNOWN)) == {}
    assert answering(client(1, Answers.NO, last_query=NOW - 301 * SECOND)) == {}
    assert answering(client(1, Answers.NO, OLD)) == {}


def test_lookups_fail_of_who_is_flagged_and_gets_no_answers() -> None:
    """Not of who gets them, nor of who is not flagged, nor of what a rule ignores."""
    failing = use(State.STALE, answers=Answers.NO)
    assert unanswered(process(1, State.STALE, nameservers=(failing, failing))) == [failing]
    for other in (
        use(State.STALE, answers=Answers.YES),
        use(State.STALE),
        use(State.CURRENT, answers=Answers.NO),
        use(State.STALE, answers=Answers.NO, ignored=True),
    ):
        assert unanswered(process(1, State.STALE, nameservers=(other,))) == []
