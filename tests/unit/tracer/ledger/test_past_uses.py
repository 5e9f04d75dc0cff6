"""What is kept of processes that have exited."""

from __future__ import annotations

from tests.support.doubles import OLD
from tracer.kernel.losses import Lost, none_lost
from tracer.ledger.past_uses import PastUseKey, PastUses


def _key(number: int) -> PastUseKey:
    return PastUseKey(f"{number}.service", "/bin/x", "host", OLD)


def test_processes_alike_are_kept_as_one() -> None:
    """Queries add up; the latest time holds, whatever the order."""
    past = PastUses()
    past.put(_key(1), 3, 50)
    past.put(_key(1), 4, 40)
    (use,) = past.uses.values()
    assert (use.queries, use.last) == (7, 50)


def test_unit_exe_view_and_nameserver_tell_them_apart() -> None:
    """Each is a key of its own."""
    past = PastUses()
    for key in (
        PastUseKey("a", "b", "c", "d"),
        PastUseKey("x", "b", "c", "d"),
        PastUseKey("a", "x", "c", "d"),
        PastUseKey("a", "b", "x", "d"),
        PastUseKey("a", "b", "c", "x"),
    ):
        past.put(key, 1, 1)
    assert len(past.uses) == 5


def test_the_table_has_bounds_and_forgets_the_longest_ago() -> None:
    """A crowd of one-shot programs does not fill memory."""
    lost = none_lost()
    past = PastUses(lost)
    past.put(_key(0), 1, 1)
    for number in range(1, 10_000):
        past.put(_key(number), 1, number)
        if number == 3000:
            past.put(_key(0), 1, number)
    assert len(past.uses) <= 4096
    assert _key(9999) in past.uses
    assert _key(1) not in past.uses
    assert lost[Lost.PAST_USE_FORGOTTEN] == 10_000 - len(past.uses)
