"""Which processes are checked for an exit that no record has reported."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tracer.ledger.process import Process

_AT_ONCE = range(20, 10_000)
"""How many in a tick: more if records were lost."""


class Sweep:
    """Takes every flagged process, and the others in turn.

    If records were lost there are more: then four times as many are taken each time, until each process has had its
    turn since the last of these losses.
    """

    def __init__(self) -> None:
        self._from = self._lost_before = self._left_of_round = 0
        self._at_once = _AT_ONCE.start

    def turn(self, processes: Iterable[Process], flagged: Collection[Process], lost: int) -> list[Process]:
        """Give those whose turn it is; ``lost`` is how many records have been lost so far."""
        everybody = list(processes)
        if lost > self._lost_before:
            self._at_once = min(self._at_once * 4, _AT_ONCE.stop)
            self._left_of_round = 2 * len(everybody)  # those that are found make room for others, which are passed over
        elif self._left_of_round <= 0:
            self._at_once = _AT_ONCE.start
        self._lost_before = lost
        self._left_of_round -= self._at_once
        begin = self._from if self._from < len(everybody) else 0
        self._from = begin + self._at_once
        turn = {*flagged, *everybody[begin : self._from]}
        return [process for process in turn if process.ended is None]
