"""Why a process still asks a nameserver that its resolv.conf no longer lists: what was seen, under a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise
from statistics import median

from tracer.generations import SECOND, History, Removal
from tracer.process import Process, Read

_FEWEST_READS = 3
_AT_ONCE = SECOND
_SPREAD = 0.5


class Kind(Enum):
    """What keeps it with the old nameserver."""

    READ_ONCE = auto()
    """It read the file before the change, and never since."""
    LOOKED_ONCE = auto()
    """The same, and what was seen of it was a look by stat."""
    READS_AGAIN = auto()
    """It reads the file at intervals, and the next one has not come yet."""
    PINNED = auto()
    """It read the file after the change, and asks the old nameserver all the same."""
    LOOKED_ONLY = auto()
    """It looked at the changed file by stat and did not read it: one that compares the time of change alone
    (Go, libasr) does so where a file came with the same time."""
    NEVER_READ = auto()
    """Watched from its exec, it never read the file."""
    NOT_SEEN = auto()
    """It did not read the file since we watch; what it did before is not known."""
    EMPTY_FILE = auto()
    """It read the file in the moment that a writer left it empty, and got 127.0.0.1."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A kind; ``generation`` is the one it read or looked at, ``seconds`` the interval of one that reads again."""

    kind: Kind
    generation: int | None = None
    seconds: int | None = None


def cause_of(process: Process, address: str, watching_since: int) -> Cause:
    """Tell what keeps a process with an address that was removed."""
    view = process.read_view or process.view
    removal = view.history.removals.get(address) if view else None
    if view is None or removal is None:
        return Cause(Kind.NOT_SEEN)
    history = view.history
    if _came_from_empty_file(history, address, removal):
        return Cause(Kind.EMPTY_FILE)
    if process.reads:
        return _of_reader(process, history, removal)
    if process.checked:
        looked = history.at(process.checked).number
        return Cause(Kind.LOOKED_ONLY if looked >= removal.generation else Kind.LOOKED_ONCE, looked)
    return Cause(Kind.NEVER_READ if _watched_from_its_exec(process, watching_since) else Kind.NOT_SEEN)


def _of_reader(process: Process, history: History, removal: Removal) -> Cause:
    read = history.at(process.reads[-1].at).number
    if read >= removal.generation:
        return Cause(Kind.PINNED, read)
    looked = history.at(process.checked).number
    if looked >= removal.generation:
        return Cause(Kind.LOOKED_ONLY, looked)
    seconds = interval(process.reads)
    return Cause(Kind.READS_AGAIN, read, seconds) if seconds else Cause(Kind.READ_ONCE, read)


def _came_from_empty_file(history: History, address: str, removal: Removal) -> bool:
    before = [one for one in history.generations if one.number == removal.generation - 1]
    return bool(before) and before[0].conf.implicit and address in before[0].conf.listed


def _watched_from_its_exec(process: Process, since: int) -> bool:
    """Whether it has a resolver state that nobody can have given it before we came."""
    owner = process.owner
    return owner.id.execs > 0 and owner.id.birth > since


def interval(reads: Sequence[Read]) -> int | None:
    """Give the seconds between reads where they come at a steady pace, at least two intervals of it; else None.

    Several opens at once are one read: Java opens the file three times.
    """
    times = [read.at for read in reads]
    starts = times[:1] + [later for earlier, later in pairwise(times) if later - earlier > _AT_ONCE]
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    if len(starts) < _FEWEST_READS:
        return None
    usual = median(gaps)
    if any(abs(gap - usual) > _SPREAD * usual for gap in gaps):
        return None
    return max(1, round(usual / SECOND))
