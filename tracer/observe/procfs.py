"""What /proc tells of a process (proc(5)): read once, when it is first seen, and never trusted to be there.

The root of /proc is an argument, so that tests give a tree of files. A process that is gone while it is read is no
error: what could be read is kept, the rest is None.
"""

from __future__ import annotations

import hashlib
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tracer.identity import Identity
from tracer.observe.pods import Pods
from tracer.observe.rootfs import device_and_inode, threads_of
from tracer.observe.units import placement

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
"""Nanoseconds of the clock tick in which /proc tells times (proc(5), sysconf(3))."""
_AT_PAGESZ = 6


@dataclass(frozen=True, slots=True)
class Stat:
    """/proc/PID/stat, as far as it is needed. ``start`` in nanoseconds of CLOCK_BOOTTIME, to the clock tick."""

    pid: int
    comm: str
    state: str
    parent: int
    start: int


@dataclass(frozen=True, slots=True)
class Running:
    """A process that ran before the probes did."""

    pid: int
    parent: int
    start: int
    root: tuple[int, int, int] | None
    """Mount namespace, device and inode of its root directory: processes alike in these share a view."""
    image: bytes | None
    """Digest of its auxiliary vector: the same in parent and child as long as neither called exec."""


class Procfs:
    """One /proc, and the kubelet's directory, which names the pods in it."""

    def __init__(self, root: str = "/proc", pods: Pods | None = None) -> None:
        self.root = root
        self.pods = pods or Pods()

    def _path(self, pid: int, name: str) -> str:
        return f"{self.root}/{pid}/{name}"

    def _read(self, pid: int, name: str) -> bytes | None:
        try:
            return Path(self._path(pid, name)).read_bytes()
        except OSError:
            return None

    def pids(self) -> Iterator[int]:
        """Give every process there is now."""
        with os.scandir(self.root) as entries:
            yield from (int(entry.name) for entry in entries if entry.name.isdigit())

    def stat(self, pid: int) -> Stat | None:
        """Read /proc/PID/stat; None if the process has exited."""
        data = self._read(pid, "stat")
        if not data:
            return None
        # comm stands in parentheses and may hold any byte, parentheses too.
        head, _, tail = data.decode("utf-8", "surrogateescape").rpartition(")")
        fields = tail.split()
        return Stat(pid, head.partition("(")[2], fields[0], int(fields[1]), int(fields[19]) * TICK_NS)

    def is_alive(self, pid: int) -> bool:
        """Whether any thread of it runs: the first may have ended before the others.

        It is taken to run if its file is there and cannot be read now, for lack of memory or descriptors.
        """
        stat = self.stat(pid)
        if stat is None:
            return os.path.exists(self._path(pid, "stat"))
        if stat.state not in "ZX":
            return True
        with suppress(OSError):
            return len(os.listdir(self._path(pid, "task"))) > 1
        return False

    def image(self, pid: int) -> bytes | None:
        """Digest /proc/PID/auxv: new at each exec, since the kernel draws new addresses and random bytes."""
        return _digest(self._auxv(pid))

    def _auxv(self, pid: int) -> bytes | None:
        return self._read(pid, "auxv") or self._of_another_thread(pid, "auxv")

    def _of_another_thread(self, pid: int, name: str) -> bytes | None:
        """Read what the first thread has no more, if it has exited before the others."""
        for directory in threads_of(self.root, pid):
            with suppress(OSError):
                return Path(f"{directory}/{name}").read_bytes() or None
        return None

    def namespace(self, pid: int, kind: str) -> int | None:
        """Give the inode of one of its namespaces (namespaces(7))."""
        for directory in (f"{self.root}/{pid}", *threads_of(self.root, pid)):
            with suppress(OSError):
                return os.stat(f"{directory}/ns/{kind}").st_ino
        return None

    def root_identity(self, pid: int) -> tuple[int, int, int] | None:
        """Tell its mount namespace and root directory."""
        namespace = self.namespace(pid, "mnt")
        for directory in (f"{self.root}/{pid}", *threads_of(self.root, pid)):
            with suppress(OSError):
                return (namespace, *device_and_inode(f"{directory}/root")) if namespace else None
        return None

    def root_name(self, pid: int) -> str:
        """Give the directory that a process has for `/`, in its own mount namespace; empty where that is `/` itself."""
        for directory in (f"{self.root}/{pid}", *threads_of(self.root, pid)):
            with suppress(OSError):
                return os.readlink(f"{directory}/root").rstrip("/")
        return ""

    def running(self, pid: int) -> Running | None:
        """Take in a process that ran before; None where it is gone."""
        stat = self.stat(pid)
        if stat is None:
            return None
        return Running(pid, stat.parent, stat.start, self.root_identity(pid), self.image(pid))

    def exe(self, pid: int) -> str | None:
        """Give the program that it runs, as seen in its own mount namespace."""
        try:
            return os.readlink(self._path(pid, "exe"))
        except OSError:
            return None

    def identity(self, pid: int) -> Identity:
        """Read who it is."""
        comm = self._read(pid, "comm")
        groups = self._read(pid, "cgroup")
        path = cgroup_path((groups or b"").decode(errors="replace"))
        placed = placement(path)
        auxv = self._auxv(pid)
        return Identity(
            _shared(comm.rstrip(b"\n").decode("utf-8", "surrogateescape") if comm is not None else None),
            _shared(self.exe(pid)),
            self._uid(pid),
            _shared(placed.unit),
            placed.container,
            self.pods.of_cgroup(path),
            stat.start if (stat := self.stat(pid)) else None,
            _digest(auxv),
            placed.inner_unit,
            placed.runtime,
            auxv is not None and is_32_bit(auxv),
        )

    def _uid(self, pid: int) -> int | None:
        for line in (self._read(pid, "status") or b"").splitlines():
            if line.startswith(b"Uid:"):
                return int(line.split()[2])  # the effective one
        return None

    def boot_id(self) -> str:
        """Give the identity of this boot: times and pids mean nothing beyond it."""
        return (Path(self.root) / "sys/kernel/random/boot_id").read_text().strip()


def _shared(text: str | None) -> str | None:
    """Let equal texts be one: thousands of processes run one program."""
    return None if text is None else sys.intern(text)


def _digest(auxv: bytes | None) -> bytes | None:
    return hashlib.blake2b(auxv, digest_size=8).digest() if auxv else None


def is_32_bit(auxv: bytes) -> bool:
    """Tell whether an auxiliary vector (getauxval(3)) is of 32-bit words: where these give the size of a page."""
    return _page_size(auxv, "Q") is None and _page_size(auxv, "I") is not None


def _page_size(auxv: bytes, word: str) -> int | None:
    pair = struct.Struct(f"={word}{word}")
    whole = len(auxv) // pair.size * pair.size
    return next((value for key, value in pair.iter_unpack(auxv[:whole]) if key == _AT_PAGESZ), None)


def cgroup_path(groups: str) -> str:
    """Find the path that names a process's unit, container and pod in the text of /proc/PID/cgroup (cgroups(7)).

    On a hybrid host it stands in systemd's own hierarchy, and the unified one says `/`.
    """
    paths = {}
    for line in groups.splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        paths[controllers] = path
    unified = paths.get("", "/")
    return unified if unified != "/" else paths.get("name=systemd", "/")
