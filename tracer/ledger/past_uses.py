"""What is kept of processes that have exited: who queried which nameserver, and when last."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

from tracer.identity import Identity
from tracer.kernel.losses import Lost, none_lost
from tracer.ledger.pair import Pair, PairKey
from tracer.ledger.process import Process
from tracer.resolvconf.view import View

_KEPT = 4096


class PastUseKey(NamedTuple):
    """Processes that are alike in these are kept as one."""

    unit: str | None
    exe: str | None
    view: str | None
    nameserver: str


@dataclass(slots=True)
class PastUseCount:
    """What they queried, all together. Times are nanoseconds of CLOCK_BOOTTIME."""

    queries: int = 0
    last: int = 0


class PastUses:
    """All of them, up to a bound: the one that queried longest ago is dropped first."""

    def __init__(self, lost: Counter[str] | None = None) -> None:
        self._lost = none_lost() if lost is None else lost
        self.uses: OrderedDict[PastUseKey, PastUseCount] = OrderedDict()
        self._changed: set[PastUseKey] = set()

    def add(self, process: Process, key: PairKey, pair: Pair) -> None:
        """Add what a process did that has exited."""
        queries = sum(use.queries - use.inherited for use in pair.uses.values())
        if not queries or pair.evidence.last is None:
            return
        self.add_queries(process.identity, process.view, key.address, queries, pair.evidence.last)

    def add_queries(self, identity: Identity, view: View | None, address: str, queries: int, last: int) -> None:
        """Add queries of a process that has exited; ``view`` is the one that it was judged by."""
        self.put(PastUseKey(identity.unit, identity.exe, view.id if view else None, address), queries, last)

    def put(self, key: PastUseKey, queries: int, last: int) -> None:
        """Add to one entry."""
        use = self.uses.setdefault(key, PastUseCount())
        use.queries += queries
        use.last = max(use.last, last)
        self.uses.move_to_end(key)
        self._changed.add(key)
        if len(self.uses) > _KEPT:
            self.uses.popitem(last=False)
            self._lost[Lost.PAST_USE_FORGOTTEN] += 1

    def take_changed(self) -> list[tuple[PastUseKey, PastUseCount]]:
        """Give those that changed since the last call."""
        changed, self._changed = self._changed, set()
        return [(key, self.uses[key]) for key in changed if key in self.uses]
