"""The types of ``check --json`` (``resolvtrace/1``): what the daemon's feed sends and its clients read.

Plain JSON values under the names of the contract. Times are RFC 3339 UTC strings; ``None`` stands for "not known".
"""

from __future__ import annotations

from typing import TypedDict

__all__ = ["SCHEMA", "Check", "Generation", "Health", "Nameserver", "Past", "Process", "Read", "View"]

SCHEMA = "resolvtrace/1"
"""Name and major version of the form; keys may be added to it, not renamed or removed."""

Generation = TypedDict(
    "Generation",
    {"generation": int, "nameservers": list[str], "from": str, "until": str | None},
)


class View(TypedDict):
    """One resolv.conf as processes see it."""

    id: str
    mount_ns: int | None
    path: str
    generation: int
    nameservers: list[str]
    also_listed: list[str]
    implicit: bool
    changed_at: str
    history: list[Generation]


class Nameserver(TypedDict):
    """What one process asks of one nameserver."""

    address: str
    port: int
    transport: str
    estimated: bool
    state: str
    queries: int
    queries_since_removed: int
    worker_queries: int
    first_query: str | None
    last_query: str | None
    stale_since: str | None
    rules: list[str]
    ignored: bool


class Past(TypedDict):
    """What processes that are gone asked of one nameserver."""

    address: str
    unit: str | None
    exe: str | None
    view: str | None
    queries: int
    last_query: str


class Read(TypedDict):
    """The generation that a process last read, and when."""

    generation: int
    at: str


class Process(TypedDict):
    """One tracked process."""

    pid: int
    started_at: str | None
    comm: str
    exe: str | None
    uid: int | None
    unit: str | None
    container: str | None
    pod: str | None
    view: str | None
    owner: int
    worker: bool
    workers: int
    lookup_path: str
    last_read: Read | None
    reads: list[Read]
    looked_at: str | None
    answered_at: str | None
    state: str
    stale_since: str | None
    nameservers: list[Nameserver]
    reason: str
    advice: str


class Health(TypedDict):
    """What could not be recorded, and which probes are attached."""

    lost: dict[str, int]
    probes: dict[str, bool]


class Check(TypedDict):
    """Everything: one snapshot."""

    schema: str
    time: str
    version: str
    views: list[View]
    processes: list[Process]
    past_uses: list[Past]
    watching_since: str
    health: Health
