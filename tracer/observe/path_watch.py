"""Watching all that a path leads through with inotify(7), as a process sees it.

That is every directory, links and all, and the file itself. It does not report what is mounted over it, nor what a
server or a file system in user space changes: a path that leads there cannot be watched.

It is done where the path is read (:mod:`tracer.observe.root_requests`), for whoever holds the inotify descriptor:
:class:`tracer.observe.watched_paths.WatchedPaths`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

from tracer.libc import LIBC, checked
from tracer.observe import rootfs

__all__ = ["watch_path"]

# inotify(7), sys/inotify.h.
_IN_MODIFY, _IN_ATTRIB, _IN_CLOSE_WRITE = 0x2, 0x4, 0x8
_IN_MOVED_FROM, _IN_MOVED_TO, _IN_CREATE, _IN_DELETE = 0x40, 0x80, 0x100, 0x200
_IN_DELETE_SELF, _IN_MOVE_SELF = 0x400, 0x800
_OF_ITSELF = _IN_DELETE_SELF | _IN_MOVE_SELF
_OF_DIRECTORY = _IN_MOVED_FROM | _IN_MOVED_TO | _IN_CREATE | _IN_DELETE | _OF_ITSELF
_OF_FILE = _IN_MODIFY | _IN_ATTRIB | _IN_CLOSE_WRITE | _OF_ITSELF
_MOST_LINKS = 40
"""As many as the kernel follows: path_resolution(7)."""
# statfs(2), linux/magic.h: ext2 to ext4, XFS, Btrfs, F2FS, bcachefs, ZFS, tmpfs, ramfs, overlay, squashfs, EROFS.
_LOCAL = frozenset(
    {0xEF53, 0x58465342, 0x9123683E, 0xF2F52010, 0xCA451A4E, 0x2FC12FC1}
    | {0x01021994, 0x858458F6, 0x794C7630, 0x73717368, 0xE0F5E1E2}
)
_STATFS_BYTES = 256


def watch_path(root: int, path: str, inotify: int) -> dict[int, set[bytes]]:
    """Watch what the path leads through below a root directory; gives the names that matter, by watch descriptor.

    Of the file itself there is no name. A directory is watched before it is looked up what a name in it is; if a name
    is missing, the directory is watched in which it would be. Raises OSError if it cannot be watched.
    """
    watches: dict[int, set[bytes]] = {}
    ahead = deque(os.fsencode(path).split(b"/"))
    parents: list[bytes] = []
    links = 0
    while ahead:
        name = ahead.popleft()
        if name in {b"", b"."}:
            continue
        if name == b"..":
            del parents[-1:]
            continue
        for watch in _watch(root, parents, inotify, of_file=False):
            watches.setdefault(watch, set()).add(name)
        target = _link(root, [*parents, name])
        if target is None:
            parents.append(name)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if target.startswith(b"/"):
            parents.clear()
        ahead.extendleft(reversed(target.split(b"/")))
    for watch in _watch(root, parents, inotify, of_file=True):
        watches.setdefault(watch, set())
    return watches


def _watch(root: int, names: list[bytes], inotify: int, *, of_file: bool) -> Iterator[int]:
    """Watch a directory or the file itself, if it is there."""
    with suppress(FileNotFoundError), rootfs.opened_below(root, b"/".join(names) or b".") as found:
        if _kind_of_file_system(found) not in _LOCAL:
            raise OSError(errno.EOPNOTSUPP, "another machine may change it")
        if of_file and not stat.S_ISREG(os.fstat(found).st_mode):
            return  # others write to /dev/null, and nobody reads a nameserver there
        mask = _OF_FILE if of_file else _OF_DIRECTORY
        added = LIBC.inotify_add_watch(inotify, b"/proc/self/fd/%d" % found, mask)
        yield checked(added, "inotify_add_watch")


def _link(root: int, names: list[bytes]) -> bytes | None:
    """Give what a link leads to; None if there is no link of this name."""
    with suppress(OSError), rootfs.opened_below(root, b"/".join(names), os.O_NOFOLLOW) as found:
        return os.readlink(b"", dir_fd=found)
    return None


def _kind_of_file_system(descriptor: int) -> int:
    buffer = ctypes.create_string_buffer(_STATFS_BYTES)
    checked(LIBC.fstatfs(descriptor, buffer), "fstatfs")
    return ctypes.c_ulong.from_buffer(buffer).value & 0xFFFFFFFF
