"""When nameservers last answered anybody: the latest of half the world."""

from __future__ import annotations

from ipaddress import IPv4Address

from tracer.ledger.last_answers import LastAnswers
from tracer.ledger.pair import PairKey

BEGIN = int(IPv4Address("198.51.0.0"))


def key(number: int, netns: int = 1) -> PairKey:
    """Name a nameserver."""
    return PairKey(str(IPv4Address(BEGIN + number)), netns)


def test_the_latest_counts_by_nameserver_and_network() -> None:
    """An earlier one that is reported later changes nothing."""
    answers = LastAnswers()
    answers.note(key(1), 7)
    answers.note(key(1), 5)
    answers.note(key(1), 0)
    assert [answers.of(one) for one in (key(1), key(1, netns=2), key(2))] == [7, 0, 0]


def test_it_does_not_grow_without_bound() -> None:
    """Those that answered last are kept."""
    answers = LastAnswers()
    for number in range(20_000):
        answers.note(key(number), number + 1)
    kept = [number for number in range(20_000) if answers.of(key(number))]
    assert len(kept) <= 4096
    assert kept[-1] == 19_999
    assert kept == list(range(kept[0], 20_000))
