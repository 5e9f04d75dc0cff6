"""What is true now: the one immutable value that every renderer is given.

The tracer makes one :class:`Snapshot` a tick. ``/metrics``, ``check`` and the feed all show this value and
nothing else, so they cannot disagree. All times are integers: nanoseconds of wall-clock time since the Unix
epoch, made from the boot clock when the snapshot is made. ``None`` stands for "not known".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """State of a (process, nameserver, network namespace) pair, and of a process: the worst of its pairs."""

    STALE = "stale"
    OUTDATED = "outdated"
    GRACE = "grace"
    SUSPECT = "suspect"
    UNLISTED = "unlisted"
    CURRENT = "current"
    RETIRED = "retired"


SEVERITY: tuple[State, ...] = tuple(State)
"""Worst first: a process shows the worst state of its pairs, and ``retired`` only where it has no other."""


class LookupPath(StrEnum):
    """How a process looks names up."""

    NSCD = "nscd"
    NSS = "nss"
    RESOLVED = "resolved"
    SSSD = "sssd"
    MIXED = "mixed"
    DIRECT = "direct"
    UNKNOWN = "unknown"


class Transport(StrEnum):
    """What carries the queries. Counts over TCP and TLS are estimates: segments with payload."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class GenerationView:
    """One state of what a view lists. ``until`` is None for the one in force."""

    generation: int
    nameservers: tuple[str, ...]
    since: int
    until: int | None


@dataclass(frozen=True, slots=True)
class ViewSnapshot:
    """One resolv.conf as processes see it; ``id`` is ``host`` for the one PID 1 sees."""

    id: str
    mount_ns: int | None
    path: str
    generation: int
    nameservers: tuple[str, ...]
    also_listed: tuple[str, ...]
    implicit: bool
    changed_at: int
    history: tuple[GenerationView, ...]


@dataclass(frozen=True, slots=True)
class NameserverUse:
    """What one process asks of one nameserver over one transport."""

    address: str
    port: int
    transport: Transport
    state: State
    queries: int
    queries_since_removed: int
    worker_queries: int
    first_query: int | None
    last_query: int | None
    stale_since: int | None = None
    """When the flag went up that stands now."""
    rules: tuple[str, ...] = ()
    """The names of the administrator's rules that apply."""
    ignored: bool = False
    """Whether these say to ignore it: it is no part of its process's state, and of no flag."""

    @property
    def estimated(self) -> bool:
        """Whether the counts are an estimate (TCP and TLS: segments, not requests)."""
        return self.transport is not Transport.UDP


@dataclass(frozen=True, slots=True)
class LastRead:
    """The generation of its view that a process (or, across fork, its ancestor) last read, and when."""

    generation: int
    at: int


@dataclass(frozen=True, slots=True)
class ProcessSnapshot:
    """One tracked process. ``worker`` is True while a living owner stands for it in the flag's counts."""

    pid: int
    started_at: int | None
    comm: str
    exe: str | None
    uid: int | None
    unit: str | None
    container: str | None
    pod: str | None
    """``namespace/name`` of its Kubernetes pod."""
    view: str | None
    owner: int
    worker: bool
    workers: int
    lookup_path: LookupPath
    last_read: LastRead | None
    reads: tuple[LastRead, ...]
    """The latest opens of the file, oldest first."""
    looked_at: int | None
    """When it last looked whether the file had changed, by stat."""
    answered_at: int | None
    """When a lookup socket last answered it, as far as that was seen."""
    state: State
    stale_since: int | None
    nameservers: tuple[NameserverUse, ...]
    reason: str
    advice: str


@dataclass(frozen=True, slots=True)
class PastUse:
    """What processes that are gone asked of one nameserver, all of a unit, program and view together."""

    address: str
    unit: str | None
    exe: str | None
    view: str | None
    queries: int
    last_query: int


@dataclass(frozen=True, slots=True)
class ProbeHealth:
    """One probe: is it attached, and what the kernel counted of it (None where it keeps no count)."""

    name: str
    attached: bool
    runs: int | None = None
    run_seconds: float | None = None
    required: bool = True
    """Whether the daemon is ready only with it."""


@dataclass(frozen=True, slots=True)
class MapHealth:
    """How full one BPF map was when it was last read."""

    name: str
    entries: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is known at one moment."""

    time: int
    version: str
    bcc: str
    kernel: str
    views: tuple[ViewSnapshot, ...]
    processes: tuple[ProcessSnapshot, ...]
    watching_since: int
    past_uses: tuple[PastUse, ...] = ()
    queries_total: Mapping[tuple[State, Transport], int] = field(default_factory=dict)
    changes_total: Mapping[str, int] = field(default_factory=dict)
    """Generations seen after the first, by view: ``host``, and ``~other`` for all the rest."""
    lost: Mapping[str, int] = field(default_factory=dict)
    probes: tuple[ProbeHealth, ...] = ()
    maps: tuple[MapHealth, ...] = ()
    ready: bool = False
    """Whether every required probe is attached."""
