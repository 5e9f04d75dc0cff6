"""What is true now: the one immutable value that every renderer is given.

The tracer makes a :class:`Snapshot` on request. ``/metrics``, ``check`` and the feed all show this value and
nothing else, so they cannot disagree. ``None`` stands for "not known".

Each fact is declared here once: ``check --json``, the feed, what the commands read of it, and the JSON schema follow
the fields, by their annotations (exporter/feed/serialization.py). A new field has a default, since a command may read
an older daemon.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated

from tracer.kernel.health import MapHealth, ProbeHealth
from tracer.lookups import LookupPath, Transport
from tracer.verdict.answers import Answers
from tracer.verdict.following import Follows
from tracer.verdict.states import State


class Meaning(Enum):
    """What a number or a string is, if its type does not say it: in JSON it has a form of its own."""

    TIME = "time"
    COUNT = "count"
    PID = "pid"
    UID = "uid"
    NUMBER = "number"
    """Counted from 1."""
    PORT = "port"
    ADDRESS = "address"
    VIEW_ID = "view_id"
    POD = "pod"
    ATTACHED = "attached"
    """Of probes by name: whether they are attached."""


Time = Annotated[int, Meaning.TIME]
"""Nanoseconds of wall-clock time since the Unix epoch, made from the boot clock when the snapshot is made."""
Count = Annotated[int, Meaning.COUNT]
Pid = Annotated[int, Meaning.PID]
Uid = Annotated[int, Meaning.UID]
Number = Annotated[int, Meaning.NUMBER]
Port = Annotated[int, Meaning.PORT]
Address = Annotated[str, Meaning.ADDRESS]
ViewId = Annotated[str, Meaning.VIEW_ID]
Pod = Annotated[str, Meaning.POD]

IN_METRICS_ALONE = {"json": False}
"""Metadata of a field that is left out of JSON."""


@dataclass(frozen=True, slots=True)
class GenerationView:
    """One state of what a view lists. ``until`` is None for the one in force."""

    generation: Number
    nameservers: tuple[Address, ...]
    since: Time = field(metadata={"key": "from"})
    until: Time | None


@dataclass(frozen=True, slots=True)
class ViewSnapshot:
    """One resolv.conf as processes see it; ``id`` is ``host`` for the one PID 1 sees."""

    id: ViewId
    mount_ns: int | None
    path: str
    generation: Number
    nameservers: tuple[Address, ...]
    also_listed: tuple[Address, ...]
    implicit: bool
    changed_at: Time
    history: tuple[GenerationView, ...]
    removed: tuple[Address, ...] = ()
    """What the latest change removed."""
    same_as_host: bool = False
    """Whether it is the host's file, mounted over itself in the host's directory: it changes with the host's."""


@dataclass(frozen=True, slots=True)
class NameserverUse:
    """One process's use of one nameserver over one transport."""

    address: Address
    port: Port
    transport: Transport
    state: State
    queries: Count
    queries_since_removed: Count
    worker_queries: Count
    first_query: Time | None
    last_query: Time | None
    stale_since: Time | None = None
    """When the flag went up that stands now."""
    rules: tuple[str, ...] = ()
    """The names of the administrator's rules that apply."""
    ignored: bool = False
    """Whether these say to ignore it: it is no part of its process's state, and of no flag."""
    removed_in: Number | None = None
    """The generation that removed it, if it is not listed now."""
    grace_until: Time | None = None
    """When the grace period of that removal ends for this process."""
    answers: Answers = Answers.UNKNOWN
    """Whether the nameserver answers this process."""
    last_answer: Time | None = None
    """When it last did, as far as that was seen."""

    @property
    def estimated(self) -> bool:
        """Whether the counts are an estimate (TCP and TLS: segments, not requests)."""
        return self.transport is not Transport.UDP


@dataclass(frozen=True, slots=True)
class LastRead:
    """The generation of its view that a process (or, across fork, its ancestor) last read, and when."""

    generation: Number
    at: Time


@dataclass(frozen=True, slots=True)
class ProcessSnapshot:
    """One tracked process. ``worker`` is True while a living owner stands for it in the flag's counts."""

    pid: Pid
    started_at: Time | None
    comm: str
    exe: str | None
    uid: Uid | None
    unit: str | None
    container: str | None
    pod: Pod | None
    """``namespace/name`` of its Kubernetes pod."""
    view: ViewId | None
    owner: Pid
    worker: bool
    workers: Count
    lookup_path: LookupPath
    last_read: LastRead | None
    reads: tuple[LastRead, ...]
    """The latest opens of the file, oldest first."""
    looked_at: Time | None
    """When it last looked whether the file had changed, by stat."""
    answered_at: Time | None
    """When a lookup socket last answered it, as far as that was seen."""
    state: State
    stale_since: Time | None
    nameservers: tuple[NameserverUse, ...]
    reason: str
    advice: str
    follows: Follows = Follows.UNKNOWN
    """Whether it would follow a change of its resolv.conf."""
    follows_reason: str = ""
    command: tuple[str, ...] | None = None
    """Its command line, cut and made safe to show: for what is sent over the socket, and for nothing else."""


@dataclass(frozen=True, slots=True)
class PastUse:
    """The use of one nameserver by processes that have exited, all of a unit, program and view together."""

    address: Address
    unit: str | None
    exe: str | None
    view: ViewId | None
    queries: Count
    last_query: Time


@dataclass(frozen=True, slots=True)
class Health:
    """What could not be recorded, what was recorded without an identity, by reason; and which probes are attached."""

    lost: Mapping[str, Count] = field(default_factory=dict)
    unidentified: Mapping[str, Count] = field(default_factory=dict)
    probes: Annotated[tuple[ProbeHealth, ...], Meaning.ATTACHED] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is known at one moment."""

    time: Time
    version: str
    views: tuple[ViewSnapshot, ...]
    processes: tuple[ProcessSnapshot, ...]
    past_uses: tuple[PastUse, ...]
    watching_since: Time
    health: Health
    counted_until: Time = 0
    """Every query that was sent until then is counted here: up to a tick before ``time``."""
    bcc: str = field(default="", metadata=IN_METRICS_ALONE)
    kernel: str = field(default="", metadata=IN_METRICS_ALONE)
    queries_total: Mapping[tuple[State, Transport], int] = field(default_factory=dict, metadata=IN_METRICS_ALONE)
    changes_total: Mapping[str, int] = field(default_factory=dict, metadata=IN_METRICS_ALONE)
    """Generations seen after the first, by view: ``host``, and ``~other`` for all the rest."""
    maps: tuple[MapHealth, ...] = field(default=(), metadata=IN_METRICS_ALONE)
    ready: bool = field(default=False, metadata=IN_METRICS_ALONE)
    """Whether every required probe is attached."""
