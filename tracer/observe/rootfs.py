"""Reading a file below a process's root directory, without trusting that process.

A container may put anything at etc/resolv.conf: a FIFO, a device, a link out of its root, a hundred megabytes.
The path is resolved inside the root (openat2(2), RESOLVE_IN_ROOT), without magic links; nothing but a regular file is
ever opened for reading, and no more than the lines that matter are kept.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from typing import NamedTuple

from tracer.libc import LIBC, checked

_SYS_OPENAT2 = 437
_RESOLVE_NO_XDEV = 0x01
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_IN_ROOT = 0x10

MOST_BYTES = 128 << 20
SMALL_BYTES = 1 << 20
"""Of a file that is read together with others."""
_CHUNK = 1 << 20
_LONGEST_LINE = 4096
# struct statx, linux/stat.h: the mask first, stx_btime behind 80 bytes.
_STATX_BYTES = 256
_STATX_BTIME = 0x800
_STX_BTIME_AT = 80
_STX_INO_AT, _STX_DEV_AT = 32, 136
_AT_EMPTY_PATH, _AT_STATX_DONT_SYNC, _AT_FDCWD = 0x1000, 0x4000, -100
_TRIES = 2000
# What says nothing of the file: no memory, no descriptor, a disk or a server that does not answer.
_NOT_NOW = frozenset({errno.EAGAIN, errno.EINTR, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE})
_KEYWORDS = (b"nameserver", b"options", b"search", b"domain")
_KEPT_LINES = 1024
_BLANKS = b" \t\v\f"


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def _openat2(directory: int, path: bytes, flags: int, resolve: int) -> int:
    how = _OpenHow(flags | os.O_CLOEXEC, 0, resolve)
    descriptor = LIBC.syscall(_SYS_OPENAT2, directory, path, ctypes.byref(how), ctypes.sizeof(how))
    if descriptor < 0:
        number = ctypes.get_errno()
        raise _error(number, os.fsdecode(path))
    return int(descriptor)


def _error(number: int, path: str) -> OSError:
    """Make of everything that may be otherwise in a moment a BlockingIOError."""
    kind = BlockingIOError if number in _NOT_NOW else OSError
    return kind(number, os.strerror(number), path)


def _openat2_retrying(directory: int, path: bytes, flags: int, resolve: int) -> int:
    """Try again if a rename anywhere on the machine went on while `..` was walked: EAGAIN, openat2(2)."""
    for _ in range(_TRIES):
        try:
            return _openat2(directory, path, flags, resolve)
        except BlockingIOError as error:
            if error.errno != errno.EAGAIN:
                raise
    return _openat2(directory, path, flags, resolve)


class Identity(NamedTuple):
    """A file or directory, for as long as it exists.

    ``born`` is when it was made, for directories alone, and if the file system knows (statx(2), stx_btime; else 0):
    numbers of devices and inodes are used again, with it they are not.
    """

    device: int
    inode: int
    born: int = 0


class Signature(NamedTuple):
    """What changes when a file is changed in any way."""

    identity: Identity
    bytes: int
    modified: int
    changed: int
    regular: bool


class Place(NamedTuple):
    """Where a process finds resolv.conf: the directory, and the file itself if it is a mount of its own.

    ``file`` is what the path leads to now, None if it leads nowhere.
    """

    directory: Identity
    mounted: Identity | None
    file: Identity | None


class FileStatus(NamedTuple):
    """All that is read of a file that has not changed, many times a minute."""

    place: Place
    signature: Signature | None
    lines: bytes | None = None
    """See :func:`read_lines_that_matter`; None if they were not read with it."""


def _identity(status: os.stat_result) -> Identity:
    return Identity(status.st_dev, status.st_ino)


def _directory_identity(descriptor: int) -> Identity:
    return _identity(os.fstat(descriptor))._replace(born=_born(descriptor))


def _born(descriptor: int) -> int:
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    if LIBC.statx(descriptor, b"", _AT_EMPTY_PATH, _STATX_BTIME, buffer):
        return 0
    known = int.from_bytes(buffer.raw[:4], "little") & _STATX_BTIME
    seconds, nanoseconds = struct.unpack_from("=qI", buffer.raw, _STX_BTIME_AT)
    return seconds * 1_000_000_000 + nanoseconds if known else 0


def device_and_inode(path: str) -> tuple[int, int]:
    """Tell which file this is, from what the kernel has cached (statx(2)): no file system in user space has to answer.

    Raises OSError.
    """
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    checked(LIBC.statx(_AT_FDCWD, os.fsencode(path), _AT_STATX_DONT_SYNC, 0, buffer), path)
    (inode,) = struct.unpack_from("=Q", buffer.raw, _STX_INO_AT)
    return os.makedev(*struct.unpack_from("=II", buffer.raw, _STX_DEV_AT)), inode


@contextmanager
def _opened(directory: int, path: str, flags: int, resolve: int) -> Iterator[int]:
    descriptor = _openat2_retrying(directory, os.fsencode(path.lstrip("/")), flags, resolve)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def root_of(proc: str, pid: int) -> Iterator[int]:
    """Open a process's root directory.

    Raises OSError if the process is gone or may not be read, BlockingIOError if it may be, but not now.
    """
    descriptor = _open_root(proc, pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open_root(proc: str, pid: int) -> int:
    """Open it by the first thread or, if that has exited before the others, by another (proc(5), /proc/PID/task)."""
    first = None
    for path in chain([f"{proc}/{pid}/root"], (f"{thread}/root" for thread in threads_of(proc, pid))):
        try:
            return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            first = first or _error(error.errno or 0, path)
            if error.errno != errno.ENOENT:
                break
    raise first or OSError(errno.ENOENT, os.strerror(errno.ENOENT))


def threads_of(proc: str, pid: int) -> Iterator[str]:
    """Give the directories of a process's other threads in /proc, as they are needed."""
    with suppress(OSError):
        yield from (f"{proc}/{pid}/task/{name}" for name in os.listdir(f"{proc}/{pid}/task") if name != str(pid))


@contextmanager
def opened_below(root: int, path: bytes, flags: int = 0) -> Iterator[int]:
    """Open what a path leads to below a root directory, for its status and not for reading. Raises OSError."""
    with _opened(root, os.fsdecode(path), os.O_PATH | flags, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS) as descriptor:
        yield descriptor


def status_of(root: int, path: str) -> os.stat_result | None:
    """Give a file's status without opening it; None if there is none (or a loop of links, or no way to it).

    Raises BlockingIOError if the kernel cannot tell: for too many renames, or for lack of memory, say.
    """
    try:
        with _opened(root, path, os.O_PATH, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS) as descriptor:
            return os.fstat(descriptor)
    except BlockingIOError:
        raise
    except OSError:
        return None


def signature(root: int, path: str) -> Signature | None:
    """Tell what changes when the file does; None and BlockingIOError as in :func:`status_of`."""
    status = status_of(root, path)
    if status is None:
        return None
    return Signature(
        _identity(status), status.st_size, status.st_mtime_ns, status.st_ctime_ns, stat.S_ISREG(status.st_mode)
    )


def place(root: int, path: str) -> Place:
    """Tell where a file is. Raises OSError if there is not even its directory."""
    return file_status(root, path).place


def file_status(root: int, path: str) -> FileStatus:
    """Tell where a file is, and what changes when it does. Raises OSError if there is not even its directory."""
    parent, _, name = path.rpartition("/")
    file = signature(root, path)
    resolve = _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS
    with _opened(root, parent or ".", os.O_PATH | os.O_DIRECTORY, resolve) as directory:
        mounted = None
        try:
            with _opened(directory, name, os.O_PATH | os.O_NOFOLLOW, _RESOLVE_NO_XDEV):
                pass
        except BlockingIOError:
            raise
        except OSError:
            with _ignored(), _opened(directory, name, os.O_PATH | os.O_NOFOLLOW, 0) as covered:
                mounted = _identity(os.fstat(covered))
        return FileStatus(Place(_directory_identity(directory), mounted, file.identity if file else None), file)


def changed_file(root: int, path: str, known: Signature | None) -> FileStatus:
    """Tell the same, and what is in the file if it is small and its signature another than is known. Raises OSError."""
    status = file_status(root, path)
    if status.signature == known or (status.signature is not None and status.signature.bytes > SMALL_BYTES):
        return status
    return status._replace(lines=read_lines_that_matter(root, path))


@contextmanager
def _ignored() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NOT_NOW:
            raise _error(error.errno, error.filename or "") from error


def read_lines_that_matter(root: int, path: str) -> bytes:
    """Give the lines of a regular file that a resolver could take something from, each cut at 4 KiB.

    A file is read to its end, as glibc does, up to 128 MiB. Anything but a readable regular file gives nothing, which
    is what glibc makes of it (resolv/res_init.c). Raises BlockingIOError as :func:`status_of`.
    """
    with _ignored(), _opened_regular(root, path) as descriptor:
        return b"\n".join(_lines_that_matter(descriptor))
    return b""


def read_begin(root: int, path: str, most: int) -> bytes:
    """Give the first bytes of a regular file; nothing if it is none, or cannot be read."""
    with suppress(OSError), _opened_regular(root, path) as descriptor:
        return os.read(descriptor, most)
    return b""


@contextmanager
def _opened_regular(root: int, path: str) -> Iterator[int]:
    """Open a file for reading that is sure to be a regular one: checked before it is opened, not after."""
    with _opened(root, path, os.O_PATH, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS) as found:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            raise OSError(errno.EINVAL, "no regular file")
        descriptor = os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lines_that_matter(descriptor: int) -> list[bytes]:
    kept: list[bytes] = []
    room = dict.fromkeys(_KEYWORDS, _KEPT_LINES)
    unfinished = b""
    for _ in range(MOST_BYTES // _CHUNK):
        chunk = os.read(descriptor, _CHUNK)
        whole, newline, unfinished = (unfinished + chunk if chunk else unfinished + b"\n").rpartition(b"\n")
        if newline:
            kept += _lines_with_keywords(whole, room)
        # Of a line without end only the beginning can matter.
        unfinished = unfinished[:_LONGEST_LINE]
        if not chunk:
            break
    return kept


def _lines_with_keywords(text: bytes, room: dict[bytes, int]) -> list[bytes]:
    """Find the keywords, not the lines: a hundred megabytes of comments are then read at the speed of memory.

    ``room`` is how many more lines with each keyword are kept.
    """
    lines: dict[int, bytes] = {}
    # A carriage return ends a line for others than glibc; what counts is where a keyword stands for any of them.
    ends = text.replace(b"\r", b"\n") if b"\r" in text else text
    for keyword in _KEYWORDS:
        at = text.find(keyword)
        while at >= 0 and room[keyword]:
            end = _end(ends, at)
            if not text[ends.rfind(b"\n", 0, at) + 1 : at].strip(_BLANKS):
                begin = text.rfind(b"\n", 0, at) + 1
                end = _end(text, at)
                lines[begin] = text[begin : min(end, begin + _LONGEST_LINE)]
                room[keyword] -= 1
            at = text.find(keyword, end)
    return [line for _, line in sorted(lines.items())]


def _end(text: bytes, at: int) -> int:
    end = text.find(b"\n", at)
    return len(text) if end < 0 else end


def is_same_file(root: int, path: str, other: str = "/etc/resolv.conf") -> bool:
    """Whether two paths lead to one file."""
    one, two = signature(root, path), signature(root, other)
    return one is not None and two is not None and one.identity == two.identity
