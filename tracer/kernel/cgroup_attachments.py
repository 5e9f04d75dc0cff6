"""Whose programs are on a cgroup beside ours, and who keeps ours out.

At the root a program that was attached with no flag or with BPF_F_ALLOW_OVERRIDE is there alone: the kernel refuses
our links, and while ours are there it refuses such a one (kernel/bpf/cgroup.c). With BPF_F_ALLOW_MULTI, and anywhere
below the root, all run. Sources: bpf(2), linux/bpf.h, libbpf's bpf.h.
"""

from __future__ import annotations

import ctypes
import os
from typing import NamedTuple

from tracer.kernel.programs import CGROUP_PROGRAMS

__all__ = ["ALLOW_MULTI", "REMEDY", "Attached", "Holder", "attached_to", "described", "sole_holders"]

ALLOW_MULTI = 2
REMEDY = (
    "have its owner attach it with BPF_F_ALLOW_MULTI, or not at the root (bpftool cgroup tree shows it); until then no "
    "query can be counted, so that the daemon does not start, and the other program and all lookups go on as they are"
)
_MOST_ATTACHED = 64
_NAME_BYTES = 16  # BPF_OBJ_NAME_LEN


class Attached(NamedTuple):
    """What is attached to a cgroup at one hook: the programs' ids, and the flags (BPF_F_ALLOW_*)."""

    programs: tuple[int, ...]
    flags: int


class Holder(NamedTuple):
    """A program that is alone at some hooks. Its name is empty without CAP_SYS_ADMIN, which reading it requires."""

    program: int
    name: str
    hooks: tuple[str, ...]


class _ProgramInfo(ctypes.Structure):
    """The head of struct bpf_prog_info, linux/bpf.h, as far as the name."""

    _fields_ = (("_before", ctypes.c_uint8 * 64), ("name", ctypes.c_char * _NAME_BYTES))


def attached_to(cgroup: str, attach_type: int) -> Attached:
    """Ask what is attached to a cgroup at one hook. Raises OSError; needs CAP_NET_ADMIN and CAP_BPF."""
    flags = ctypes.c_uint32()
    count = ctypes.c_uint32(_MOST_ATTACHED)
    programs = (ctypes.c_uint32 * _MOST_ATTACHED)()
    directory = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        result = ctypes.CDLL("libbpf.so.1").bpf_prog_query(
            directory, attach_type, 0, ctypes.byref(flags), programs, ctypes.byref(count)
        )
    finally:
        os.close(directory)
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return Attached(tuple(programs[: count.value]), flags.value)


def sole_holders(cgroup: str) -> list[Holder]:
    """Find the programs that keep ours out of a cgroup. Raises OSError as :func:`attached_to`."""
    hooks: dict[int, list[str]] = {}
    for ours in CGROUP_PROGRAMS:
        attached = attached_to(cgroup, ours.attach_type)
        if not attached.flags & ALLOW_MULTI:
            for program in attached.programs:
                hooks.setdefault(program, []).append(ours.name)
    return [Holder(program, _name(program), tuple(held)) for program, held in hooks.items()]


def described(holders: list[Holder]) -> str:
    """Say who holds what."""
    each = (
        f"{holder.name or 'a program'} (id {holder.program}) holds {', '.join(holder.hooks)} of the root cgroup alone"
        for holder in holders
    )
    return f"another BPF program is in the way: {'; '.join(each)} (attached without BPF_F_ALLOW_MULTI)"


def _name(program: int) -> str:
    library = ctypes.CDLL("libbpf.so.1")
    descriptor = library.bpf_prog_get_fd_by_id(program)
    if descriptor < 0:
        return ""
    info = _ProgramInfo()
    size = ctypes.c_uint32(ctypes.sizeof(info))
    library.bpf_obj_get_info_by_fd(descriptor, ctypes.byref(info), ctypes.byref(size))
    os.close(descriptor)
    return str(info.name.decode(errors="replace"))
