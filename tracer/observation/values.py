"""What was observed within a tick: plain values, complete, so that the ledger needs nothing else.

Times are nanoseconds of CLOCK_BOOTTIME.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from tracer.identity import Identity
from tracer.kernel.records import Subject
from tracer.lookups import Transport
from tracer.resolvconf.view import View
from tracer.verdict.answers import AnswersSeen
from tracer.verdict.verdict import Queries


class ProcessKey(NamedTuple):
    """Names a process: fields as in :class:`tracer.ledger.process.ProcessId`."""

    pid: int
    birth: int
    execs: int


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A process that the ledger does not keep yet, or whose root directory is another one now."""

    subject: Subject
    identity: Identity
    view: View | None
    """The view that it has."""
    line: tuple[int, ...] = ()


class QueriesSent(NamedTuple):
    """A process queried a nameserver, all in one resolver state and with one owner."""

    at: int
    subject: Subject
    address: str
    netns: int
    port: int
    transport: Transport
    queries: Queries
    """Of which there may be none: then an answer came to some of an earlier tick."""
    lookup: int | None
    answers: AnswersSeen = AnswersSeen()


class FileRead(NamedTuple):
    """A process read its view's file. ``view`` is None if it cannot be determined."""

    at: int
    subject: Subject
    res_state_id_before: int
    shared: int
    """Who else may have the state that it had until then (:class:`tracer.kernel.records.Sharer`)."""
    view: View | None
    absent: str = ""
    """Where it looked for the file, if there is none in its root directory."""
    line: tuple[int, ...] = ()
    """Its line until then."""


class ReadUndone(NamedTuple):
    """What the kernel side took for a read was none: the process goes on in the state that it had."""

    at: int
    subject: Subject
    res_state_id_before: int
    line: tuple[int, ...]


class OtherFileOpened(NamedTuple):
    """A process opened a file named resolv.conf that is not its view's."""

    at: int
    subject: Subject
    path: str


class SocketTried(NamedTuple):
    """A process tried a lookup socket."""

    at: int
    subject: Subject
    service: int


class NscdUsed(NamedTuple):
    """A process turns out to look names up through nscd."""

    at: int
    subject: Subject


class ProcessLeft(NamedTuple):
    """A process exited or called exec: its resolver state goes on in its children."""

    at: int
    subject: Subject
    execed: bool = False


Observation = QueriesSent | FileRead | ReadUndone | OtherFileOpened | SocketTried | NscdUsed | ProcessLeft


class Relative(NamedTuple):
    """A process with somebody in its line that left the state that both had; it is a newcomer, or kept."""

    key: ProcessKey
    res_state_id: int
    line: tuple[int, ...]


@dataclass(slots=True)
class Batch:
    """All of a tick, in order of time.

    ``until``: when the tick ended. What happened later is not in it, and of what happened before nothing is missing.
    ``relatives``: the living processes that share a state which somebody left who forked, ancestors first.
    """

    until: int
    observations: list[Observation] = field(default_factory=list)
    newcomers: dict[ProcessKey, Newcomer] = field(default_factory=dict)
    relatives: list[Relative] = field(default_factory=list)


def key_of(subject: Subject) -> ProcessKey:
    """Name the process that did something."""
    return ProcessKey(subject.tgid, subject.birth, subject.execs)


def owner_key_of(subject: Subject) -> ProcessKey:
    """Name its owner."""
    return ProcessKey(subject.owner_tgid, subject.owner_birth, subject.owner_execs)
