"""From a cgroup's number to its path, for processes that exited before /proc could be read.

The number that bpf_get_current_cgroup_id() gives is what the file system of cgroups names the directory by in a file
handle (kernfs, fs/kernfs/mount.c): one call finds it, however many cgroups there are.
"""

from __future__ import annotations

import ctypes
import os
from collections import OrderedDict

from tracer.libc import LIBC

_KERNFS_HANDLE = 0xFE  # FILEID_KERNFS, linux/exportfs.h
_KEPT = 1024


class _FileHandle(ctypes.Structure):
    """struct file_handle of open_by_handle_at(2), with eight bytes of handle."""

    _fields_ = (("bytes", ctypes.c_uint32), ("type", ctypes.c_int32), ("number", ctypes.c_uint64))


class CgroupPaths:
    """Paths below the root of cgroup2, by number; those found are remembered, since the cgroup may go as well."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._paths: OrderedDict[int, str] = OrderedDict()

    def path(self, number: int) -> str | None:
        """Give the path below the root, with a leading slash; None if it is removed, or may not be read."""
        found = self._paths.get(number) or self._find(number)
        if found is not None:
            self._paths[number] = found
            self._paths.move_to_end(number)
            if len(self._paths) > _KEPT:
                self._paths.popitem(last=False)
        return found

    def _find(self, number: int) -> str | None:
        handle = _FileHandle(8, _KERNFS_HANDLE, number)
        try:
            root = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            descriptor = LIBC.open_by_handle_at(root, ctypes.byref(handle), os.O_PATH | os.O_CLOEXEC)
            if descriptor < 0:
                return None
            try:
                path = os.readlink(f"/proc/self/fd/{descriptor}")
            finally:
                os.close(descriptor)
        finally:
            os.close(root)
        return "/" + os.path.relpath(path, self._root).removeprefix(".")
