"""Which programs there are in bpf/, what each is attached to, and which the daemon cannot do without."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "bpf"
# In this order: each builds on what stands before it.
FILES = (
    *("records.h", "current.h", "maps.h"),
    *("lineage.c", "mounts.c", "opens.c", "lookups.c"),
    *("query_key.h", "slots.h", "steady.h", "counting.h", "cgroup.h"),
    *("datagrams.c", "segments.c", "egress.c", "answers.c"),
)

BPF_PROG_TYPE_CGROUP_SKB = 8
BPF_PROG_TYPE_CGROUP_SOCK_ADDR = 18


@dataclass(frozen=True, slots=True)
class CgroupProgram:
    """A program on the root cgroup: enum bpf_prog_type and bpf_attach_type, linux/bpf.h."""

    name: str
    program_type: int
    attach_type: int

    @property
    def function(self) -> str:
        """Its name in bpf/."""
        return f"on_{self.name}"


CGROUP_PROGRAMS = (
    CgroupProgram("connect4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 10),
    CgroupProgram("connect6", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 11),
    CgroupProgram("sendmsg4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 14),
    CgroupProgram("sendmsg6", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 15),
    CgroupProgram("egress", BPF_PROG_TYPE_CGROUP_SKB, 1),
    CgroupProgram("recvmsg4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 19),
    CgroupProgram("recvmsg6", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 20),
)


@dataclass(frozen=True, slots=True)
class Tracepoint:
    """A program on a tracepoint. ``macro`` guards it if not every kernel or machine has that tracepoint.

    Attached in order: the end of a call before its beginning, or what begins in between would never be seen to end.
    """

    category: str
    name: str
    required: bool = False
    macro: str | None = None

    @property
    def function(self) -> str:
        """The name that BCC's TRACEPOINT_PROBE gives it."""
        return f"tracepoint__{self.category}__{self.name}"


_ALL_TRACEPOINTS = (
    Tracepoint("task", "task_newtask", required=True),
    Tracepoint("sched", "sched_process_exec", required=True),
    Tracepoint("sched", "sched_process_exit", required=True),
    Tracepoint("syscalls", "sys_exit_openat", required=True),
    Tracepoint("syscalls", "sys_enter_openat", required=True),
    Tracepoint("syscalls", "sys_exit_open", macro="HAVE_SYS_OPEN"),
    Tracepoint("syscalls", "sys_enter_open", macro="HAVE_SYS_OPEN"),
    Tracepoint("syscalls", "sys_exit_openat2"),
    Tracepoint("syscalls", "sys_enter_openat2"),
    Tracepoint("syscalls", "sys_enter_newfstatat"),
    Tracepoint("syscalls", "sys_enter_statx"),
    Tracepoint("syscalls", "sys_enter_newstat", macro="HAVE_SYS_NEWSTAT"),
    Tracepoint("syscalls", "sys_exit_connect"),
    Tracepoint("syscalls", "sys_enter_connect"),
    Tracepoint("syscalls", "sys_exit_chroot"),
    Tracepoint("syscalls", "sys_exit_pivot_root"),
    Tracepoint("syscalls", "sys_exit_setns"),
    Tracepoint("syscalls", "sys_exit_unshare"),
    Tracepoint("syscalls", "sys_exit_mount"),
    Tracepoint("syscalls", "sys_exit_umount"),
    Tracepoint("syscalls", "sys_exit_move_mount"),
)
SEE_MOUNTS = frozenset({"sys_exit_mount", "sys_exit_umount", "sys_exit_move_mount"})

_MACHINES_WITHOUT_OLD_CALLS = frozenset({"aarch64", "riscv64", "loongarch64"})
"""Those that came after openat(2): the C library uses that, and open(2) and stat(2) do not exist there."""


def tracepoints(machine: str) -> tuple[Tracepoint, ...]:
    """Give the tracepoints that there are to be on a machine, by its name as uname(2) has it."""
    return tuple(point for point in _ALL_TRACEPOINTS if not point.macro or machine not in _MACHINES_WITHOUT_OLD_CALLS)


TRACEPOINTS = tracepoints(os.uname().machine)
NAMES = tuple(program.name for program in CGROUP_PROGRAMS) + tuple(point.name for point in TRACEPOINTS)
REQUIRED = frozenset(
    [program.name for program in CGROUP_PROGRAMS] + [point.name for point in TRACEPOINTS if point.required]
)

MOST_ENTRIES = 1 << 22
"""As many processes as Linux can have: PID_MAX_LIMIT, linux/threads.h."""
MOST_RING_PAGES = 1 << 15
_PAGE_BYTES = 4096

MOST_VIEW_FILES = 4096

MAPS = (
    "control",
    "losses",
    "processes",
    "slots",
    "steady",
    "overflow0",
    "overflow1",
    "connectors",
    "images",
    "view_files",
    "acted",
    "records",
)


@dataclass(frozen=True, slots=True)
class Capacities:
    """Sizes of the maps, in entries; of the ring, in pages of 4 KiB (a power of two).

    ``queries``: pairs of process and nameserver that are counted within one tick. ``calls``: threads inside an open or
    connect that matters.
    """

    processes: int = 32768
    queries: int = 8192
    connections: int = 4096
    images: int = 2048
    calls: int = 4096
    ring_pages: int = 128

    @property
    def slot_bits(self) -> int:
        """How many slots they have first, as a power of two: a quarter of them; the map takes the rest."""
        return max(1, (self.queries // 4).bit_length() - 1)

    @property
    def steady_bits(self) -> int:
        """How many pairs are counted without the daemon (bpf/steady.h), as a power of two: as many as in a tick."""
        return max(2, self.queries.bit_length() - 1)

    def macros(self) -> list[str]:
        """Give them as the compiler takes them."""
        return [
            f"-DMAX_PROCESSES={self.processes}",
            f"-DSLOT_BITS={self.slot_bits}",
            f"-DSTEADY_BITS={self.steady_bits}",
            f"-DMAX_QUERIES={max(1, self.queries - (1 << self.slot_bits))}",
            f"-DMAX_CONNECTIONS={self.connections}",
            f"-DMAX_IMAGES={self.images}",
            f"-DMAX_VIEW_FILES={MOST_VIEW_FILES}",
            f"-DMAX_CALLS={self.calls}",
            # BCC takes the machine's pages, which may have 64 KiB (arm64).
            f"-DRING_PAGES={max(1, self.ring_pages * _PAGE_BYTES // mmap.PAGESIZE)}",
        ]


def source_text() -> str:
    """Join the files into the one text that BCC compiles; messages still name the file and its line.

    BCC rewrites map operations only in the text that it is given, so the files cannot include each other.
    """
    return "".join(f'#line 1 "bpf/{name}"\n{(SOURCE / name).read_text()}\n' for name in FILES)
