"""What the programs in bpf/ hand over: the structures of bpf/records.h, field by field.

The loader compares these with what the compiler made of the C side and refuses to start where they differ.
Births are nanoseconds of CLOCK_BOOTTIME; all other times are those of CLOCK_MONOTONIC, until shifted.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

PATH_BYTES = 128
COMM_BYTES = 16


class Service(IntEnum):
    """A lookup socket."""

    NSCD = 1
    RESOLVED = 2
    SSSD = 3


class Flag:
    """What the kernel side noted of a process since its last exec. Those of a service are shifted by its number.

    Plain numbers: members of an IntFlag cost more to combine than all else that is done with a process in a tick.
    """

    ACTED = 1 << 0
    READ_ONCE = 1 << 1
    FORKED = 1 << 2
    ASKED_ALONE = 1 << 3
    ANSWERED = 1 << 4
    REFUSED = 1 << 8


CHROOTED = 1 << 63
"""In the number of a root directory: it was set by chroot, so it need not be the mount namespace's own."""


class RecordKind(IntEnum):
    """What a ring buffer record tells of."""

    READ = 1
    TRIED = 2
    EXECED = 3
    ENDED = 4


class Loss(IntEnum):
    """Index into the map `losses`."""

    RING_FULL = 0
    QUERIES_FULL = 1
    PROCESSES_FULL = 2
    TCP_UNATTRIBUTED = 3
    USER_MEMORY = 4


class Control(IntEnum):
    """Index into the map `control`; what is counted for two ticks apart has one more behind it."""

    TICK = 0
    SLOTS_TAKEN = 1
    MAP_ENTRIES = 3


class Subject(NamedTuple):
    """Who did it, as the lineage stood at that moment."""

    birth: int
    state: int
    root: int
    image: int
    parent_birth: int
    owner_birth: int
    checked: int
    cgroup: int
    tgid: int
    execs: int
    parent_tgid: int
    owner_tgid: int
    uid: int
    flags: int
    comm: bytes

    def shifted(self, offset: int) -> Subject:
        """Give it with times of another clock, ``offset`` nanoseconds ahead; births are of CLOCK_BOOTTIME already."""
        return self._replace(checked=self.checked + offset) if self.checked else self


class Record(NamedTuple):
    """One ring buffer record."""

    subject: Subject
    time: int
    state_before: int
    kind: int
    service: int
    result: int
    tid: int
    path: bytes

    def shifted(self, offset: int) -> Record:
        """Give it with times of another clock, ``offset`` nanoseconds ahead."""
        return self._replace(subject=self.subject.shifted(offset), time=self.time + offset)


class QueryKey(NamedTuple):
    """One process, in one resolver state, asking one nameserver. ``former`` sets apart what it did in another state."""

    netns: int
    address: bytes
    tgid: int
    scope: int
    former: int
    port: int
    transport: int


class Queries(NamedTuple):
    """What it asked within one tick. ``previous`` is the time of the one before the last, 0 where there is none."""

    subject: Subject
    number: int
    handshakes: int
    first: int
    previous: int
    last: int
    seen: int

    def shifted(self, offset: int) -> Queries:
        """Give it with times of another clock, ``offset`` nanoseconds ahead."""
        return self._replace(
            subject=self.subject.shifted(offset),
            first=self.first + offset,
            previous=self.previous and self.previous + offset,
            last=self.last + offset,
        )


class KernelProcess(NamedTuple):
    """One entry of the lineage that the kernel side keeps for every process."""

    birth: int
    state: int
    root: int
    image: int
    parent_birth: int
    owner_birth: int
    checked: int
    refused: int
    refused_tid: int
    execs: int
    parent_tgid: int
    owner_tgid: int
    flags: int


class Connector(NamedTuple):
    """The process that connected a TCP socket; ``end``, once ``begun``, is how far its segments were counted."""

    birth: int
    state: int
    tgid: int
    execs: int
    end: int = 0
    begun: int = 0


_SUBJECT = f"8Q6I{COMM_BYTES}s"
_SUBJECT_FIELDS = len(Subject._fields)
_RECORD = struct.Struct(f"={_SUBJECT}2Q2IiI{PATH_BYTES}s")
_QUERY_KEY = struct.Struct("=Q16s3IHBx")
_QUERIES = struct.Struct(f"={_SUBJECT}qQQQQI4x")
_SLOT_USE = struct.Struct("=Q")
_PROCESS = struct.Struct("=8Q5I4x")
_CONNECTOR = struct.Struct("=2Q4I")

SIZES = {
    "record": _RECORD.size,
    "query_key": _QUERY_KEY.size,
    "queries": _QUERIES.size,
    "slot": _SLOT_USE.size + _QUERY_KEY.size + _QUERIES.size,
    "process": _PROCESS.size,
    "connector": _CONNECTOR.size,
}
FIELDS: dict[str, tuple[str, ...]] = {
    "record": Record._fields,
    "subject": Subject._fields,
    "query_key": QueryKey._fields,
    "queries": Queries._fields,
    "slot": ("use", "key", "queries"),
    "process": KernelProcess._fields,
    "connector": Connector._fields,
}


def parse_record(data: bytes) -> Record:
    """Read one ring buffer record. Raises struct.error where the length is wrong."""
    values = _RECORD.unpack(data)
    return Record(Subject(*values[:_SUBJECT_FIELDS]), *values[_SUBJECT_FIELDS:])


def parse_query_key(data: bytes) -> QueryKey:
    """Read one key of the maps `asked0` and `asked1`."""
    return QueryKey(*_QUERY_KEY.unpack(data))


def parse_queries(data: bytes) -> Queries:
    """Read one value of the maps `asked0` and `asked1`."""
    values = _QUERIES.unpack(data)
    return Queries(Subject(*values[:_SUBJECT_FIELDS]), *values[_SUBJECT_FIELDS:])


def parse_slot(data: bytes) -> tuple[QueryKey, Queries]:
    """Read one value of the map `slots`."""
    key_at = _SLOT_USE.size
    queries_at = key_at + _QUERY_KEY.size
    return parse_query_key(data[key_at:queries_at]), parse_queries(data[queries_at:])


FREE_SLOT = _SLOT_USE.pack(0)
"""The beginning of a slot that nobody uses."""


def parse_process(data: bytes) -> KernelProcess:
    """Read one value of the map `processes`."""
    return KernelProcess(*_PROCESS.unpack(data))


def pack_process(process: KernelProcess) -> bytes:
    """Make one value of the map `processes`."""
    return _PROCESS.pack(*process)


def pack_connector(connector: Connector) -> bytes:
    """Make one value of the map `connectors`."""
    return _CONNECTOR.pack(*connector)


def text(data: bytes) -> str:
    """Give a NUL-terminated field as text; bytes that are no UTF-8 are kept as surrogates."""
    return data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
