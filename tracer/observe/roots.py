"""What is read below a process's root directory and of its memory, as requests that another process can serve.

Reading below another root may never return: a file system in user space answers when it likes, and path resolution,
stat(2) and read(2) all wait for it; so does what the kernel reads of a process's memory. So a request is a name and
plain values, and the caller chooses who serves it: this process (:func:`tracer.observe.root_requests.read_directly`) or
one that may be given up (:class:`tracer.observe.root_readers.RootReaders`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

from tracer.observe import rootfs
from tracer.observe.root_requests import read_directly


class RootReader(Protocol):
    """Serves requests below a ``proc``. Raises OSError, TimeoutError if no answer came."""

    def __call__(self, kind: str, proc: str, pid: int, *arguments: Any) -> Any:
        """Read; ``kind`` is one of those in :mod:`tracer.observe.root_requests`."""


@dataclass(frozen=True, slots=True)
class Root:
    """The root directory of a process. Every method raises OSError if that is gone, and as :class:`RootReader`."""

    proc: str
    pid: int
    root_reader: RootReader = read_directly

    def signature(self, path: str) -> rootfs.Signature | None:
        """See :func:`tracer.observe.rootfs.signature`."""
        return cast("rootfs.Signature | None", self.root_reader("signature", self.proc, self.pid, path))

    def place(self, path: str) -> rootfs.Place:
        """See :func:`tracer.observe.rootfs.place`."""
        return cast("rootfs.Place", self.root_reader("place", self.proc, self.pid, path))

    def file_status(self, path: str) -> rootfs.FileStatus:
        """See :func:`tracer.observe.rootfs.file_status`."""
        return cast("rootfs.FileStatus", self.root_reader("file_status", self.proc, self.pid, path))

    def lines_that_matter(self, path: str) -> bytes:
        """See :func:`tracer.observe.rootfs.read_lines_that_matter`."""
        return cast("bytes", self.root_reader("lines", self.proc, self.pid, path))

    def is_same_file(self, path: str) -> bool:
        """See :func:`tracer.observe.rootfs.is_same_file`."""
        return cast("bool", self.root_reader("is_same_file", self.proc, self.pid, path))


def changed_files(
    root_reader: RootReader, proc: str, wanted: list[tuple[int, str, rootfs.Signature | None]]
) -> list[rootfs.FileStatus | OSError]:
    """Read what may be new of many files (:func:`tracer.observe.rootfs.changed_file`).

    ``wanted``: the pid of a process below whose root each is, its path and the signature that is known. Raises OSError
    as :class:`RootReader`.
    """
    return cast("list[rootfs.FileStatus | OSError]", root_reader("changed_files", proc, 0, *wanted))


def watch_paths(
    root_reader: RootReader, proc: str, inotify: int, wanted: list[tuple[int, str]]
) -> list[dict[int, set[bytes]] | OSError]:
    """Watch many paths, each below the root of a process (:func:`tracer.observe.path_watch.watch_path`).

    Raises OSError as :class:`RootReader`.
    """
    each = [(pid, path, inotify) for pid, path in wanted]
    return cast("list[dict[int, set[bytes]] | OSError]", root_reader("watch_paths", proc, 0, *each))
