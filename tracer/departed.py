"""What is kept of processes that are gone: who asked which nameserver, and when last."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

from tracer.losses import Lost, none_lost
from tracer.process import Pair, PairKey, Process

_KEPT = 4096


class DepartedKey(NamedTuple):
    """Processes alike in these are kept as one."""

    unit: str | None
    exe: str | None
    view: str | None
    nameserver: str


@dataclass(slots=True)
class DepartedUse:
    """What they asked, all together. Times are nanoseconds of CLOCK_BOOTTIME."""

    queries: int = 0
    last: int = 0


class Departed:
    """A bounded book of them; the one that asked longest ago is forgotten first."""

    def __init__(self, lost: Counter[str] | None = None) -> None:
        self._lost = none_lost() if lost is None else lost
        self.uses: OrderedDict[DepartedKey, DepartedUse] = OrderedDict()

    def add(self, process: Process, key: PairKey, pair: Pair) -> None:
        """Add what a process did that is gone."""
        queries = sum(use.queries - use.inherited for use in pair.uses.values())
        if not queries or pair.evidence.last is None:
            return
        identity = process.identity
        view = process.view.id if process.view else None
        self.put(DepartedKey(identity.unit, identity.exe, view, key.address), queries, pair.evidence.last)

    def put(self, key: DepartedKey, queries: int, last: int) -> None:
        """Add to one entry."""
        use = self.uses.setdefault(key, DepartedUse())
        use.queries += queries
        use.last = max(use.last, last)
        self.uses.move_to_end(key)
        if len(self.uses) > _KEPT:
            self.uses.popitem(last=False)
            self._lost[Lost.DEPARTED_FORGOTTEN] += 1
