"""How often a process looks at resolv.conf: by reading it, or by a stat."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from tracer.ledger.process import Process
from tracer.resolvconf.history import SECOND

_AT_ONCE = SECOND
_SPREAD = 0.5
_FEWEST_GAPS = 2
_LONE_GAP_SECONDS = 5
_LONE_GAP_QUERIES = 5


def polling_interval(process: Process) -> int | None:
    """Give the seconds between its looks if they come at a steady pace; else None.

    Two gaps tell a pace; a single one if it is long, and the process queried again and again in it, so that the looks
    are not those of its lookups. Several at once are one: Java opens the file three times. Of one that went on querying
    long after its next look was due, none is known: it looks no more.
    """
    times = sorted([*(read.at for read in process.reads), *process.checks])
    starts = times[:1] + [later for earlier, later in pairwise(times) if later - earlier > _AT_ONCE]
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    if not _is_steady(gaps):
        return None
    seconds = max(1, round(median(gaps) / SECOND))
    if len(gaps) < _FEWEST_GAPS and (
        seconds < _LONE_GAP_SECONDS or _queries(process) < _LONE_GAP_QUERIES * len(starts)
    ):
        return None
    overdue = _last_query(process) - max(times[-1], process.checked) > (1 + _SPREAD) * seconds * SECOND
    return None if overdue else seconds


def _last_query(process: Process) -> int:
    return max((pair.evidence.last or 0 for pair in process.pairs.values()), default=0)


def _is_steady(gaps: Sequence[int]) -> bool:
    usual = median(gaps) if gaps else 0
    return bool(gaps) and all(abs(gap - usual) <= _SPREAD * usual for gap in gaps)


def _queries(process: Process) -> int:
    return sum(use.queries + use.worker_queries for pair in process.pairs.values() for use in pair.uses.values())
