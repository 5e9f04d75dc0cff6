"""What is asked of a process's root directory and memory, as calls that somebody else can make.

A look below another's root may never come back: a file system in user space answers when it likes, and path resolution,
stat(2) and read(2) all wait for it; so does what the kernel reads of a process's memory. So a look is a name and plain
values, and whoever asks says who looks: this process (:func:`tracer.observe.looks.look`) or one that may be given up
(:class:`tracer.observe.lookouts.Lookouts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

from tracer.observe import rootfs
from tracer.observe.looks import look


class Looker(Protocol):
    """Whoever looks, below the ``proc`` of a process. Raises OSError, TimeoutError where no answer came."""

    def __call__(self, kind: str, proc: str, pid: int, *arguments: Any) -> Any:
        """Look; ``kind`` is one of those in :mod:`tracer.observe.looks`."""


@dataclass(frozen=True, slots=True)
class Root:
    """The root directory of a process. Every method raises OSError where that is gone, and as :class:`Looker`."""

    proc: str
    pid: int
    looker: Looker = look

    def signature(self, path: str) -> rootfs.Signature | None:
        """See :func:`tracer.observe.rootfs.signature`."""
        return cast("rootfs.Signature | None", self.looker("signature", self.proc, self.pid, path))

    def place(self, path: str) -> rootfs.Place:
        """See :func:`tracer.observe.rootfs.place`."""
        return cast("rootfs.Place", self.looker("place", self.proc, self.pid, path))

    def glance(self, path: str) -> rootfs.Glance:
        """See :func:`tracer.observe.rootfs.glance`."""
        return cast("rootfs.Glance", self.looker("glance", self.proc, self.pid, path))

    def lines_that_matter(self, path: str) -> bytes:
        """See :func:`tracer.observe.rootfs.read_lines_that_matter`."""
        return cast("bytes", self.looker("lines", self.proc, self.pid, path))

    def is_same_file(self, path: str) -> bool:
        """See :func:`tracer.observe.rootfs.is_same_file`."""
        return cast("bool", self.looker("is_same_file", self.proc, self.pid, path))


def glances(looker: Looker, proc: str, wanted: list[tuple[int, str]]) -> list[rootfs.Glance | OSError]:
    """Look at many files at once: each below the root of a process. Raises OSError as :class:`Looker`."""
    return cast("list[rootfs.Glance | OSError]", looker("glances", proc, 0, *wanted))
