"""Nanoseconds in the kernel: a query each way, a packet that is none, an open of another file, any other call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import work
from benchmarks.counters import Counters, Runs, kernel_statistics
from benchmarks.empty import empty_programs
from benchmarks.figure import Figure, at_most, median, spread, without_aim
from benchmarks.running import running_daemon, scale
from benchmarks.work import Work

_ROUNDS = 7
_TIMES = 50_000
_NANOSECONDS = "{:.0f} ns"
_AIMS: tuple[tuple[Work, float | None], ...] = (
    (work.QUERY, 120),
    (work.SEND, 120),
    (work.SENDTO, 120),
    (work.NO_DNS, 25),
    (work.OPEN, 120),
    (work.CONNECT, None),
    (work.SOCKET, 0),
    (work.RECEIVE, 0),
    (work.ANSWER, 120),
    (work.NO_ANSWER, 25),
)


class Meter:
    """A daemon's programs beside empty ones."""

    def __init__(self, daemon: int, empty: int) -> None:
        self._daemon, self._empty = Counters(daemon), Counters(empty)

    def runs(self, one: Work, times: int) -> dict[str, tuple[Runs, Runs]]:
        """Do a piece of work; give the runs of ours and of the empty programs, by each hook that it leads to.

        What others do on the machine meanwhile leads to other hooks, or to these less often than every second time.
        """
        daemon, empty = self._daemon.read(), self._empty.read()
        one.run(times)
        ours = {hook: runs - daemon[hook] for hook, runs in self._daemon.read().items()}
        theirs = {hook: runs - empty[hook] for hook, runs in self._empty.read().items()}
        return {
            hook: (runs, theirs[hook])
            for hook, runs in ours.items()
            if runs.count * 2 > times and one.hook in {None, hook}
        }

    def nanoseconds(self, one: Work, times: int) -> float:
        """Do it; give what all our programs together take each time, above empty ones."""
        return sum(ours.mean - empty.mean for ours, empty in self.runs(one, times).values())


@contextmanager
def meter(daemon: int) -> Iterator[Meter]:
    """Have empty programs beside a daemon's, and the kernel counting, for a `with` block."""
    with empty_programs() as empty, kernel_statistics():
        yield Meter(daemon, empty)


def measure() -> list[Figure]:
    """Measure each kind of work in turn, some rounds of them."""
    times = int(_TIMES * scale())
    with running_daemon() as daemon, meter(daemon.pid) as at:
        rounds = [[at.nanoseconds(one, times) for one, _ in _AIMS] for _ in range(_ROUNDS)]
    return [
        _figure(one, aim, [costs[number] for costs in rounds]) for number, (one, aim) in enumerate(_AIMS)
    ]  # fmt: skip


def _figure(one: Work, aim: float | None, nanoseconds: list[float]) -> Figure:
    what = f"kernel: {one.what}"
    if not any(nanoseconds):
        return Figure(what, "0: no program runs", "0", met=True)
    if aim is None:
        return without_aim(what, median(nanoseconds), _NANOSECONDS, spread(nanoseconds, _NANOSECONDS))
    return at_most(what, median(nanoseconds), aim, _NANOSECONDS, spread(nanoseconds, _NANOSECONDS))
