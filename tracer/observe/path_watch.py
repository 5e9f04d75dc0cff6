"""Waiting for one file to change, as a process sees it, instead of looking again and again.

inotify(7) tells of every directory that the path leads through, links and all, and of the file itself;
/proc/PID/mountinfo tells of what is mounted over it (proc_pid_mountinfo(5), poll). Neither tells what a server or a
file system in user space changes: a path that leads there cannot be waited for.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import stat
import struct
from collections import deque
from contextlib import ExitStack, suppress

from tracer.observe import rootfs

__all__ = ["PathWatch"]

_LIBC = ctypes.CDLL(None, use_errno=True)
# inotify(7), sys/inotify.h.
_IN_MODIFY, _IN_ATTRIB, _IN_CLOSE_WRITE = 0x2, 0x4, 0x8
_IN_MOVED_FROM, _IN_MOVED_TO, _IN_CREATE, _IN_DELETE = 0x40, 0x80, 0x100, 0x200
_IN_DELETE_SELF, _IN_MOVE_SELF, _IN_Q_OVERFLOW = 0x400, 0x800, 0x4000
_OF_ITSELF = _IN_DELETE_SELF | _IN_MOVE_SELF
_OF_DIRECTORY = _IN_MOVED_FROM | _IN_MOVED_TO | _IN_CREATE | _IN_DELETE | _OF_ITSELF
_OF_FILE = _IN_MODIFY | _IN_ATTRIB | _IN_CLOSE_WRITE | _OF_ITSELF
_EVENT = struct.Struct("iIII")
_EVENTS_BYTES = 64 * 1024
_MOST_LINKS = 40
"""As many as the kernel follows: path_resolution(7)."""
# statfs(2), linux/magic.h: ext2 to ext4, XFS, Btrfs, F2FS, bcachefs, ZFS, tmpfs, ramfs, overlay, squashfs, EROFS.
_LOCAL = frozenset(
    {0xEF53, 0x58465342, 0x9123683E, 0xF2F52010, 0xCA451A4E, 0x2FC12FC1}
    | {0x01021994, 0x858458F6, 0x794C7630, 0x73717368, 0xE0F5E1E2}
)
_STATFS_BYTES = 256


class PathWatch:
    """What tells that a file may have changed. Two descriptors, for as long as it is open."""

    def __init__(self, proc: str, pid: int, path: str) -> None:
        """Watch ``path`` as the process ``pid`` sees it. Raises OSError if it cannot be watched."""
        self._proc, self._pid, self._path = proc, pid, path
        self._names: dict[int, set[bytes]] = {}
        with ExitStack() as opened:
            self._mountinfo = os.open(f"{proc}/{pid}/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
            opened.callback(os.close, self._mountinfo)
            # It is always readable, and tells of a change by another event: an epoll of its own knows the two apart.
            self._mounts = opened.enter_context(select.epoll())
            self._mounts.register(self._mountinfo, select.EPOLLPRI)
            self._inotify = _checked(_LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), "inotify_init1")
            opened.callback(os.close, self._inotify)
            self.follow_path()
            self._opened = opened.pop_all()

    @property
    def descriptors(self) -> tuple[int, int]:
        """Readable when something has happened: call :meth:`has_changed` then."""
        return self._inotify, self._mounts.fileno()

    def has_changed(self) -> bool:
        """Take what has happened; True if the file may be another, or what is in it."""
        touched = bool(self._mounts.poll(0))
        with suppress(BlockingIOError):
            while events := os.read(self._inotify, _EVENTS_BYTES):
                touched = self._concerns(events) or touched
        return touched

    def follow_path(self) -> None:
        """Watch what the path leads through now. Raises OSError; what was watched before is watched still."""
        former, self._names = self._names, {}
        try:
            with rootfs.root_of(self._proc, self._pid) as root:
                self._walk(root)
        except OSError:
            self._names = former
            raise
        for watch in former.keys() - self._names.keys():
            _LIBC.inotify_rm_watch(self._inotify, watch)

    def close(self) -> None:
        """Watch no more."""
        self._opened.close()

    def _walk(self, root: int) -> None:
        """Resolve the path name by name. A directory is watched before it is looked up what a name in it is.

        If a name is missing, the directory is watched in which it would be.
        """
        ahead = deque(self._path.encode().split(b"/"))
        parents: list[bytes] = []
        links = 0
        while ahead:
            name = ahead.popleft()
            if name in {b"", b"."}:
                continue
            if name == b"..":
                del parents[-1:]
                continue
            self._watch(root, parents, _OF_DIRECTORY, name)
            target = _link(root, [*parents, name])
            if target is None:
                parents.append(name)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self._path)
            if target.startswith(b"/"):
                parents.clear()
            ahead.extendleft(reversed(target.split(b"/")))
        self._watch(root, parents, _OF_FILE)

    def _watch(self, root: int, names: list[bytes], mask: int, name: bytes | None = None) -> None:
        """Watch a directory for a name in it, or the file itself, if it is there."""
        with suppress(FileNotFoundError), rootfs.opened_below(root, b"/".join(names) or b".") as found:
            if _kind_of_file_system(found) not in _LOCAL:
                raise OSError(errno.EOPNOTSUPP, "another machine may change it", self._path)
            if name is None and not stat.S_ISREG(os.fstat(found).st_mode):
                return  # others write to /dev/null, and nobody reads a nameserver there
            added = _LIBC.inotify_add_watch(self._inotify, b"/proc/self/fd/%d" % found, mask)
            watch = _checked(added, "inotify_add_watch")
            self._names.setdefault(watch, set()).update(() if name is None else (name,))

    def _concerns(self, events: bytes) -> bool:
        at = 0
        while at < len(events):
            watch, mask, _, size = _EVENT.unpack_from(events, at)
            name = events[at + _EVENT.size : at + _EVENT.size + size].rstrip(b"\0")
            at += _EVENT.size + size
            names = self._names.get(watch)
            if mask & _IN_Q_OVERFLOW or (names is not None and (not name or name in names)):
                return True
        return False


def _link(root: int, names: list[bytes]) -> bytes | None:
    """Give what a link leads to; None if there is no link of this name."""
    with suppress(OSError), rootfs.opened_below(root, b"/".join(names), os.O_NOFOLLOW) as found:
        return os.readlink(b"", dir_fd=found)
    return None


def _kind_of_file_system(descriptor: int) -> int:
    buffer = ctypes.create_string_buffer(_STATFS_BYTES)
    _checked(_LIBC.fstatfs(descriptor, buffer), "fstatfs")
    return ctypes.c_ulong.from_buffer(buffer).value & 0xFFFFFFFF


def _checked(result: int, call: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result
