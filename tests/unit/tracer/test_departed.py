"""What is kept of processes that are gone."""

from __future__ import annotations

from doubles import OLD

from tracer.departed import Departed, DepartedKey
from tracer.losses import Lost, none_lost


def _key(number: int) -> DepartedKey:
    return DepartedKey(f"{number}.service", "/bin/x", "host", OLD)


def test_processes_alike_are_kept_as_one() -> None:
    """Queries add up; the latest time holds, whatever the order."""
    departed = Departed()
    departed.put(_key(1), 3, 50)
    departed.put(_key(1), 4, 40)
    (use,) = departed.uses.values()
    assert (use.queries, use.last) == (7, 50)


def test_unit_exe_view_and_nameserver_tell_them_apart() -> None:
    """Each is a key of its own."""
    departed = Departed()
    for key in (
        DepartedKey("a", "b", "c", "d"),
        DepartedKey("x", "b", "c", "d"),
        DepartedKey("a", "x", "c", "d"),
        DepartedKey("a", "b", "x", "d"),
        DepartedKey("a", "b", "c", "x"),
    ):
        departed.put(key, 1, 1)
    assert len(departed.uses) == 5


def test_the_book_has_bounds_and_forgets_the_longest_ago() -> None:
    """A crowd of one-shot programs does not fill memory."""
    lost = none_lost()
    departed = Departed(lost)
    departed.put(_key(0), 1, 1)
    for number in range(1, 10_000):
        departed.put(_key(number), 1, number)
        if number == 3000:
            departed.put(_key(0), 1, number)
    assert len(departed.uses) <= 4096
    assert _key(9999) in departed.uses
    assert _key(1) not in departed.uses
    assert lost[Lost.DEPARTED_FORGOTTEN] == 10_000 - len(departed.uses)
