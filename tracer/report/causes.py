"""Why a process still queries a nameserver that its resolv.conf no longer lists: what was seen, under a name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from tracer.ledger.process import Process
from tracer.report.polling import polling_interval
from tracer.resolvconf.history import History, Removal


class Cause(Enum):
    """What keeps it on the old nameserver."""

    READ_ONCE = auto()
    """It read the file before the change and has not re-read it since."""
    CHECKED_ONCE = auto()
    """The same, and what was seen of it was a stat."""
    POLLS = auto()
    """It reads or stats the file at a steady pace, and the next time has not come yet."""
    RE_READ = auto()
    """It re-read the file after the change, and has not queried the old nameserver since."""
    PINNED = auto()
    """It re-read the file after the change, and queries the old nameserver all the same."""
    INHERITED = auto()
    """The same, and its parent had read the file before the change: a second resolver in it comes from there."""
    CHECKED_ONLY = auto()
    """It did a stat of the changed file and did not re-read it: one that compares the modification time alone (Go,
    libasr) does so if a file came with the same time."""
    NEVER_READ = auto()
    """Watched from its exec, it never read the file."""
    NOT_SEEN = auto()
    """It has not read the file since resolvtrace started; what it did before is not known."""
    EMPTY_FILE = auto()
    """It read the file while it was empty for a moment, and got 127.0.0.1."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause. ``generation`` is the one it read or checked; ``seconds`` the pace of one that polls.

    ``origin``: pid and birth of the process whose resolver it inherited.
    """

    cause: Cause
    generation: int | None = None
    seconds: int | None = None
    origin: tuple[int, int] | None = None


def find_cause(process: Process, address: str, watching_since: int) -> Finding:
    """Tell what keeps a process on an address that was removed."""
    view = process.view
    removal = view.history.removal(address, process.read_generation) if view else None
    if view is None or removal is None:
        return Finding(Cause.NOT_SEEN)
    if removal.implicit:
        return Finding(Cause.EMPTY_FILE)
    if process.reads:
        return _of_reader(process, address, view.history, removal)
    if process.checked:
        checked = view.history.at(process.checked).number
        return Finding(Cause.CHECKED_ONLY if checked >= removal.generation else Cause.CHECKED_ONCE, checked)
    return Finding(Cause.NEVER_READ if watched_from_its_exec(process, watching_since) else Cause.NOT_SEEN)


def _of_reader(process: Process, address: str, history: History, removal: Removal) -> Finding:
    at, read = process.reads[-1]
    if read >= removal.generation:
        if not _queried_since(process, address, at):
            return Finding(Cause.RE_READ, read)
        origin = process.res_state.origin
        if origin is not None and origin.generation is not None and origin.generation < removal.generation:
            return Finding(Cause.INHERITED, read, origin=origin[:2])
        return Finding(Cause.PINNED, read)
    checked = history.at(process.checked).number
    if process.checked and checked >= removal.generation:
        return Finding(Cause.CHECKED_ONLY, checked)
    seconds = polling_interval(process)
    return Finding(Cause.POLLS, read, seconds) if seconds else Finding(Cause.READ_ONCE, read)


def _queried_since(process: Process, address: str, at: int) -> bool:
    pairs = (pair.evidence for key, pair in process.pairs.items() if key.address == address)
    return any(max(evidence.entered, evidence.last or 0) > at for evidence in pairs)


def watched_from_its_exec(process: Process, since: int) -> bool:
    """Tell whether it has a resolver state that nobody can have given it before we came."""
    owner = process.owner
    return owner.id.execs > 0 and owner.id.birth > since
