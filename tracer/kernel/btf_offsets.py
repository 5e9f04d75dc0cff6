"""Offsets of fields in the kernel's structures, from its own description (BTF, /sys/kernel/btf/vmlinux)."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping

from tracer.errors import ResolvtraceError

__all__ = ["FILE", "TASK", "offsets"]

_STRUCT = 4  # enum of BTF_KIND_*, linux/btf.h
_KIND_FLAG = 1 << 31
TASK = {
    "TASK_PID": ("task_struct", "pid"),
    "TASK_COMM": ("task_struct", "comm"),
    "TASK_CRED": ("task_struct", "cred"),
    "TASK_CGROUPS": ("task_struct", "cgroups"),
    "CRED_UID": ("cred", "uid"),
    "CSS_SET_DFL_CGRP": ("css_set", "dfl_cgrp"),
    "CGROUP_KN": ("cgroup", "kn"),
    "KERNFS_NODE_ID": ("kernfs_node", "id"),
}
"""The current task's ids: needed if programs on packets may not call the helpers, on 6.1 and 6.12, not on 6.18."""

FILE = {
    "TASK_FILES": ("task_struct", "files"),
    "FILES_FDT": ("files_struct", "fdt"),
    "FDTABLE_FD": ("fdtable", "fd"),
    "FILE_FLAGS": ("file", "f_flags"),
    "FILE_INODE": ("file", "f_inode"),
    "INODE_INO": ("inode", "i_ino"),
    "INODE_SB": ("inode", "i_sb"),
    "SB_DEV": ("super_block", "s_dev"),
}
"""Which file a descriptor is: resolv.conf may be opened by many names."""


class _Type(ctypes.Structure):
    """struct btf_type, linux/btf.h."""

    _fields_ = (("name", ctypes.c_uint32), ("info", ctypes.c_uint32), ("size", ctypes.c_uint32))


class _Member(ctypes.Structure):
    """struct btf_member, of which as many follow a struct's type as the low half of its info says."""

    _fields_ = (("name", ctypes.c_uint32), ("type", ctypes.c_uint32), ("bits", ctypes.c_uint32))


def offsets(places: Mapping[str, tuple[str, str]]) -> dict[str, int]:
    """Give the offsets in bytes, by the macros of bpf/current.h. Raises ResolvtraceError."""
    library = ctypes.CDLL("libbpf.so.1")
    library.btf__load_vmlinux_btf.restype = ctypes.c_void_p
    library.btf__free.argtypes = [ctypes.c_void_p]
    library.btf__find_by_name_kind.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32]
    library.btf__type_by_id.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    library.btf__type_by_id.restype = ctypes.c_void_p
    library.btf__name_by_offset.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    library.btf__name_by_offset.restype = ctypes.c_char_p
    btf = library.btf__load_vmlinux_btf()
    if not btf:
        raise _unknown("it has no /sys/kernel/btf/vmlinux")
    try:
        return {macro: _offset(library, btf, *place) for macro, place in places.items()}
    finally:
        library.btf__free(btf)


def _offset(library: ctypes.CDLL, btf: int, structure: str, field: str) -> int:
    number = library.btf__find_by_name_kind(btf, structure.encode(), _STRUCT)
    if number > 0:
        for member, bits in _members(library.btf__type_by_id(btf, number)):
            if library.btf__name_by_offset(btf, member.name) == field.encode():
                return bits // 8
    raise _unknown(f"its BTF has no {structure}.{field}")


def _members(address: int) -> Iterator[tuple[_Member, int]]:
    head = _Type.from_address(address)
    for member in (_Member * (head.info & 0xFFFF)).from_address(address + ctypes.sizeof(_Type)):
        # With the flag, the upper byte is a bit field's size.
        yield member, member.bits & 0xFFFFFF if head.info & _KIND_FLAG else member.bits


def _unknown(why: str) -> ResolvtraceError:
    return ResolvtraceError(
        f"this kernel does not describe itself: {why}",
        "needs a kernel with CONFIG_DEBUG_INFO_BTF, as distributions have",
    )
