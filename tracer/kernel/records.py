"""What the programs in bpf/ hand over: the structures of bpf/records.h, field by field.

The loader compares these with what the compiler made of the C side and refuses to start if they differ.
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


class ProcessFlag:
    """What the kernel side noted of a process since its last exec. Those of a service are shifted by its number.

    Plain numbers: members of an IntFlag cost more to combine than all else that is done with a process in a tick.
    """

    ACTED = 1 << 0
    READ_ONCE = 1 << 1
    FORKED = 1 << 2
    NSCD_FALLBACK = 1 << 3
    ANSWERED = 1 << 4
    REFUSED = 1 << 8


CHROOTED = 1 << 63
"""In the number of a root directory: it was set by chroot, so it need not be the mount namespace's own."""


class RecordKind(IntEnum):
    """The event that a ring buffer record reports."""

    READ = 1
    TRIED = 2
    EXECED = 3
    EXITED = 4
    OPENED = 5


class Sharer:
    """Who else may have the resolver state that a process had until it read. Plain numbers, as :class:`ProcessFlag`."""

    BY_CHILDREN = 1
    BY_ANCESTORS = 2


class Loss(IntEnum):
    """Index into the map `losses`."""

    RING_FULL = 0
    QUERIES_FULL = 1
    PROCESSES_FULL = 2
    TCP_UNATTRIBUTED = 3
    USER_MEMORY = 4
    CALLS_FULL = 5


class Control(IntEnum):
    """Index into the map `control`; what is counted for two ticks apart has one more behind it."""

    TICK = 0
    LAST_TAKEN = 1
    MAP_ENTRIES = 3
    OWNERS = 5
    RESTING = 6
    MOUNTED = 7


class Wake(IntEnum):
    """What a record of eight bytes says, which only wakes the daemon (enum wake of bpf/records.h)."""

    COUNTED = 0
    MOUNTED = 1


class Lookup(IntEnum):
    """How a lookup came to be a query (enum lookup of bpf/records.h)."""

    UNKNOWN = 0
    THROUGH_NSS = 1
    BY_ITSELF = 2
    OTHER_TYPE = 3
    NO_QUERY = 4


BIRTH_SHIFT = 20
BIRTH_BITS = 40
_BIRTH_MASK = (1 << BIRTH_BITS) - 1


def ancestor(tgid: int, birth: int) -> int:
    """Name a process as a line does (bpf/maps.h): its pid, and 40 bits of its birth in units of 1.05 ms."""
    return tgid << BIRTH_BITS | birth >> BIRTH_SHIFT & _BIRTH_MASK


def ancestor_pid(named: int) -> int:
    """Give the pid of an ancestor in a line."""
    return named >> BIRTH_BITS


def is_ancestor(tgid: int, birth: int, named: int) -> bool:
    """Tell whether a line names this process; a birth that was not seen when the line began is 0 there."""
    if tgid != named >> BIRTH_BITS:
        return False
    return not named & _BIRTH_MASK or named == ancestor(tgid, birth)


class Subject(NamedTuple):
    """Who did it, as the lineage stood at that moment.

    The owner is the topmost living ancestor with the same resolver state; the process itself if there is none.
    """

    birth: int
    res_state_id: int
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
    owner_execs: int
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
    res_state_id_before: int
    inode: int
    device: int
    shared: int
    kind: int
    service: int
    result: int
    tid: int
    path: bytes
    line: tuple[int, ...] = ()

    def shifted(self, offset: int) -> Record:
        """Give it with times of another clock, ``offset`` nanoseconds ahead."""
        return self._replace(subject=self.subject.shifted(offset), time=self.time + offset)


class QueryKey(NamedTuple):
    """One process, in one resolver state, querying one nameserver.

    ``tick_part`` is 0, or another part of the tick, before the process's resolver state or owner changed.
    """

    netns: int
    address: bytes
    tgid: int
    scope: int
    tick_part: int
    port: int
    transport: int


class Queries(NamedTuple):
    """Its queries within one tick. ``previous`` is the time of the one before the last, 0 if there is none.

    ``answered`` is when the last answer came, 0 if none was seen; ``unanswered`` how many queries were sent since
    then, or in all, and ``unanswered_since`` when the first of them was sent.
    """

    subject: Subject
    number: int
    handshakes: int
    first: int
    previous: int
    last: int
    seen: int
    lookup: int
    strays: int = 0
    answered: int = 0
    unanswered_since: int = 0
    unanswered: int = 0

    def begin(self) -> Queries:
        """Give it as it is before any query or answer."""
        return self._replace(
            number=0, handshakes=0, previous=0, last=0, strays=0, answered=0, unanswered_since=0, unanswered=0
        )

    def shifted(self, offset: int) -> Queries:
        """Give it with times of another clock, ``offset`` nanoseconds ahead."""
        return self._replace(
            subject=self.subject.shifted(offset),
            first=self.first + offset,
            previous=self.previous and self.previous + offset,
            last=self.last + offset,
            answered=self.answered and self.answered + offset,
            unanswered_since=self.unanswered_since and self.unanswered_since + offset,
        )


class Counts(NamedTuple):
    """Queries of a slot: how many since it is used, and when the last two were; the others as in :class:`Queries`."""

    number: int
    previous: int
    last: int
    strays: int = 0
    answered: int = 0
    unanswered_since: int = 0
    unanswered: int = 0

    def shifted(self, offset: int) -> Counts:
        """Give it with times of another clock, ``offset`` nanoseconds ahead."""
        if not offset:
            return self
        return self._replace(
            previous=self.previous and self.previous + offset,
            last=self.last and self.last + offset,
            answered=self.answered and self.answered + offset,
            unanswered_since=self.unanswered_since and self.unanswered_since + offset,
        )


class KernelProcess(NamedTuple):
    """One entry of the lineage that the kernel side keeps for every process."""

    birth: int
    res_state_id: int
    root: int
    image: int
    parent_birth: int
    checked: int
    refused: int
    hosts_opened: int
    line: tuple[int, ...]
    refused_tid: int
    hosts_tid: int
    execs: int
    parent_tgid: int
    flags: int


class Connector(NamedTuple):
    """The process that connected a TCP socket; ``end``, once ``begun``, is how far its segments were counted."""

    birth: int
    res_state_id: int
    tgid: int
    execs: int
    end: int = 0
    begun: int = 0
    lookup: int = 0


LINE = 6
"""How many ancestors a line has at most; of a longer one the topmost ``LINE_KEPT`` and the nearest are kept."""
LINE_KEPT = 3
_LINE_AT = KernelProcess._fields.index("line")
_SUBJECT = f"8Q7I4x{COMM_BYTES}s"
_SUBJECT_FIELDS = len(Subject._fields)
_RECORD = struct.Struct(f"={_SUBJECT}3Q4IiI{PATH_BYTES}s{LINE}Q")
_QUERY_KEY = struct.Struct("=Q16s3IHBx")
_QUERIES = struct.Struct(f"={_SUBJECT}q5Q2I2QI4x")
_SLOT_HEAD = struct.Struct("=2Q")
_COUNTS = struct.Struct("=q5Q2I2QI")
_COUNTS_AT = _SLOT_HEAD.size + _QUERY_KEY.size + struct.calcsize(f"={_SUBJECT}")
_PROCESS = struct.Struct(f"={_LINE_AT + LINE}Q4IQ")
_CONNECTOR = struct.Struct("=2Q3I2H")

SIZES = {
    "record": _RECORD.size,
    "query_key": _QUERY_KEY.size,
    "queries": _QUERIES.size,
    "slot": _SLOT_HEAD.size + _QUERY_KEY.size + _QUERIES.size,
    "process": _PROCESS.size,
    "connector": _CONNECTOR.size,
}
FIELDS: dict[str, tuple[str, ...]] = {
    "record": Record._fields,
    "subject": Subject._fields,
    "query_key": QueryKey._fields,
    "queries": Queries._fields,
    "slot": ("use", "next", "key", "queries"),
    "process": KernelProcess._fields,
    "connector": Connector._fields,
}


def parse_wake(data: bytes) -> Wake | None:
    """Read why the daemon is woken, if that is all that this record says."""
    return Wake(int.from_bytes(data, "little")) if len(data) < _RECORD.size else None


def parse_record(data: bytes) -> Record:
    """Read one ring buffer record. Raises struct.error if the length is wrong."""
    values = _RECORD.unpack(data)
    line = tuple(named for named in values[-LINE:] if named)
    return Record._make((Subject(*values[:_SUBJECT_FIELDS]), *values[_SUBJECT_FIELDS:-LINE], line))


def parse_query_key(data: bytes) -> QueryKey:
    """Read one key of the maps `overflow0` and `overflow1`."""
    return QueryKey(*_QUERY_KEY.unpack(data))


def pack_query_key(key: QueryKey) -> bytes:
    """Make one key."""
    return _QUERY_KEY.pack(*key)


def parse_queries(data: bytes) -> Queries:
    """Read one value of the maps `overflow0` and `overflow1`."""
    values = _QUERIES.unpack(data)
    return Queries(Subject(*values[:_SUBJECT_FIELDS]), *values[_SUBJECT_FIELDS:])


def parse_slot(data: bytes) -> tuple[int, QueryKey, Queries]:
    """Read one value of the map `slots`: first where the next is, as Control.LAST_TAKEN says it of the first."""
    _use, following = _SLOT_HEAD.unpack_from(data)
    key_at = _SLOT_HEAD.size
    queries_at = key_at + _QUERY_KEY.size
    return following, parse_query_key(data[key_at:queries_at]), parse_queries(data[queries_at:])


class SlotUse(IntEnum):
    """What a slot is used for (enum slot_use of bpf/records.h)."""

    FREE = 0
    CLAIMED = 1
    READY = 2


FREE_SLOT = _SLOT_HEAD.pack(SlotUse.FREE, 0)
"""The beginning of a slot that nobody uses."""
READY_SLOT = _SLOT_HEAD.pack(SlotUse.READY, 0)
CLAIMED_SLOT = _SLOT_HEAD.pack(SlotUse.CLAIMED, 0)
"""The beginning of one that the programs pass by."""


def pack_claimed_slot(key: QueryKey, queries: Queries) -> bytes:
    """Make a slot that the programs pass by until its beginning says READY."""
    return CLAIMED_SLOT + _QUERY_KEY.pack(*key) + _QUERIES.pack(*queries.subject, *queries[1:])


def parse_counts(data: bytes) -> Counts:
    """Read what was counted in a slot."""
    number, _handshakes, _first, previous, last, _seen, _lookup, *others = _COUNTS.unpack_from(data, _COUNTS_AT)
    return Counts(number, previous, last, *others)


def parse_process(data: bytes) -> KernelProcess:
    """Read one value of the map `processes`."""
    values = _PROCESS.unpack(data)
    line = tuple(named for named in values[_LINE_AT : _LINE_AT + LINE] if named)
    before, behind = values[:_LINE_AT], values[_LINE_AT + LINE :]
    return KernelProcess._make((*before, line, *behind))


def pack_process(process: KernelProcess) -> bytes:
    """Make one value of the map `processes`."""
    line = (*process.line, *(0,) * LINE)[:LINE]
    return _PROCESS.pack(*process[:_LINE_AT], *line, *process[_LINE_AT + 1 :])


def pack_connector(connector: Connector) -> bytes:
    """Make one value of the map `connectors`."""
    return _CONNECTOR.pack(*connector)


def text(data: bytes) -> str:
    """Give a NUL-terminated field as text; bytes that are no UTF-8 are kept as surrogates."""
    return data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
