"""Whether a nameserver answers: the rule, on what was seen of queries and answers."""

from __future__ import annotations

import pytest

from tracer.resolvconf.history import SECOND
from tracer.verdict.answers import Answering, Answers, AnswersSeen

NOTHING = AnswersSeen()


def queried(*times: float, begun: Answering | None = None) -> Answering:
    """Send a query at each of these times, in seconds, each in a tick of its own and without an answer."""
    answering = begun or Answering()
    for time in times:
        answering.add(1, int(time * SECOND), int(time * SECOND), NOTHING)
    return answering


def answered(at: float, queries: int = 1) -> Answering:
    """Send queries of which all are answered, the last at this time in seconds."""
    answering = Answering()
    answering.add(queries, int(at * SECOND) - 1, int(at * SECOND) - 1, AnswersSeen(int(at * SECOND)))
    return answering


def test_of_what_nothing_was_seen_nothing_is_known() -> None:
    """However often it is queried: its receives may be such as are not seen."""
    assert Answering().answers(0) is Answers.UNKNOWN
    assert queried(1, 6, 11, 16, 21).answers(0) is Answers.UNKNOWN


def test_an_answer_within_ten_seconds_of_its_queries_is_a_yes() -> None:
    """Also while the latest query waits for its own; and for good, if it queries no more."""
    assert answered(1).answers(0) is Answers.YES
    assert queried(11, begun=answered(1)).answers(0) is Answers.YES
    assert queried(11.1, begun=answered(1)).answers(0) is Answers.UNKNOWN


@pytest.mark.parametrize(
    ("times", "answers"),
    [
        ((2, 7, 12), Answers.NO),
        ((20, 21, 31), Answers.NO),
        ((20, 21, 29), Answers.UNKNOWN),
        ((20, 31), Answers.UNKNOWN),
    ],
    ids=["three in ten seconds", "after a pause", "in less", "two only"],
)
def test_answers_that_stopped_are_a_no(times: tuple[float, ...], answers: Answers) -> None:
    """After three queries over ten seconds."""
    assert queried(*times, begun=answered(1)).answers(0) is answers


def test_the_answers_of_another_nameserver_show_that_answers_are_seen() -> None:
    """If they came since this one was queried: before that the process may have received in another way."""
    silent = queried(5, 10, 15)
    assert silent.answers(last_of_any=6 * SECOND) is Answers.NO
    assert silent.answers(last_of_any=4 * SECOND) is Answers.UNKNOWN


def test_it_answers_again() -> None:
    """The count of what stayed unanswered restarts."""
    answering = queried(2, 7, 12, begun=answered(1))
    answering.add(1, 13 * SECOND, 13 * SECOND, AnswersSeen(13 * SECOND))
    assert answering.answers(0) is Answers.YES
    assert queried(30, 35, begun=answering).answers(0) is Answers.UNKNOWN


def test_of_a_tick_in_which_some_were_answered_the_rest_counts() -> None:
    """As the programs tell it: how many were sent after the last answer, and since when."""
    answering = Answering()
    answering.add(5, SECOND, 4 * SECOND, AnswersSeen(2 * SECOND, 2, 3 * SECOND))
    assert (answering.last, answering.unanswered, answering.since) == (2 * SECOND, 2, 3 * SECOND)
    assert queried(13, begun=answering).answers(0) is Answers.NO


def beside(answering: Answering, *, every: float, until: float, others: float | None) -> Answering:
    """Send a query each so many seconds from 1 on, without an answer; the nameserver answers others until a time."""
    time = 1.0
    while time <= until:
        last_of_all = int((time if others is None else min(time, others)) * SECOND) - 1
        answering.add(1, int(time * SECOND), int(time * SECOND), NOTHING, last_of_all)
        time += every
    return answering


@pytest.mark.parametrize("every", [0.5, 4.0])
def test_while_others_are_answered_it_is_not_known(every: float) -> None:
    """The nameserver is alive: this process receives its answers in another way than the one that was seen."""
    assert beside(answered(0.5), every=every, until=60, others=None).answers(0, 60 * SECOND) is Answers.UNKNOWN


def test_a_nameserver_that_answers_nobody_any_more_is_a_no() -> None:
    """From then on the queries count, as many and for as long as otherwise."""
    assert beside(answered(0.5), every=4, until=14, others=5).answers(0, 5 * SECOND) is Answers.UNKNOWN
    assert beside(answered(0.5), every=4, until=22, others=5).answers(0, 5 * SECOND) is Answers.NO


def test_others_that_are_answered_after_its_last_query_tell_too() -> None:
    """What was said before is taken back."""
    silent = queried(2, 7, 12, begun=answered(1))
    assert silent.answers(0, SECOND) is Answers.NO
    assert silent.answers(0, 13 * SECOND) is Answers.UNKNOWN


def test_who_was_silent_again_and_again_while_others_were_answered_is_known_for_it() -> None:
    """When the nameserver answers nobody any more nothing is said of it; nor after an answer that is seen."""
    in_part = beside(answered(0.5), every=1, until=40, others=None)
    assert queried(41, 46, 51, 56, begun=in_part).answers(0, 40 * SECOND) is Answers.UNKNOWN
    in_part.add(1, 60 * SECOND, 60 * SECOND, AnswersSeen(60 * SECOND))
    assert in_part.answers(0, 60 * SECOND) is Answers.YES
    assert queried(70, 75, 80, begun=in_part).answers(0, 60 * SECOND) is Answers.UNKNOWN


def test_an_outage_is_not_held_against_who_waited() -> None:
    """Others get an answer after its first query, and are answered first when it is over; the next one is a no, too."""
    answering = answered(0.5)
    for begun in (0, 100, 200):
        stopped, over, after = ((begun + second) * SECOND for second in (2, 30, 32))
        for time in (1, 6, 11, 16, 21):
            at = (begun + time) * SECOND
            answering.add(1, at, at, NOTHING, min(stopped, at))
        assert answering.answers(0, stopped) is Answers.NO
        answering.add(1, over + SECOND, over + SECOND, NOTHING, over)
        assert answering.answers(0, over) is Answers.UNKNOWN
        answering.add(1, after, after, AnswersSeen(after), after)
        assert answering.answers(0, after) is Answers.YES
