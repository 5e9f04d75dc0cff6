"""Stand-ins for the machine's clock, the kernel side's map of processes, and what is read of the machine."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace

from tracer.clock import Clock
from tracer.identity import Identity
from tracer.kernel.records import KernelProcess, Subject
from tracer.observation.forwarders import Forwarding
from tracer.observation.machine import Machine, lost_subject
from tracer.observe.procfs import TICK_NS, Procfs, Running
from tracer.observe.rootfs import Identity as FileIdentity
from tracer.resolvconf.history import SECOND, History
from tracer.resolvconf.parser import ResolvConf
from tracer.resolvconf.view import RESOLV_CONF, View
from tracer.resolvconf.view_table import ViewTable

MILLISECOND = 1_000_000
OLD, NEW, OTHER, ELSEWHERE = "192.0.2.65", "192.0.2.72", "192.0.2.99", "198.51.100.53"
LOOKUP_SECONDS = 10
"""Below ``grace_seconds``, so that this is what counts unless a test says otherwise."""
GETIP = Identity("getip", "/usr/bin/getip", 0)


def conf(*nameservers: str, also: tuple[str, ...] = (), lookup: int = LOOKUP_SECONDS) -> ResolvConf:
    """Return what a resolv.conf lists."""
    return ResolvConf(nameservers, also, implicit=False, lookup_seconds=lookup)


def a_view(history: History, name: str = "host", path: str = RESOLV_CONF) -> View:
    """Return a view with a past and no file."""
    view = View(name, path, 1, FileIdentity(1, hash(name)))
    view.history = history
    return view


class FakeClock(Clock):
    """A clock that moves when a test says so; its wall agrees with the machine's as long as it stands still."""

    def __init__(self, now: int = 1000 * SECOND) -> None:
        self.now = now
        self.offset = time.time_ns() - now
        self.slept = 0

    def boot(self) -> int:
        """Give the time that a test has set."""
        return self.now

    def wall(self) -> int:
        """Give the same, since 1970."""
        return self.now + self.offset

    def suspended(self) -> int:
        """Give what it slept."""
        return self.slept

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += int(seconds * SECOND)

    def sleep(self, seconds: float) -> None:
        """Let the machine be suspended."""
        self.advance(seconds)
        self.slept += int(seconds * SECOND)

    def set_wall(self, seconds: float) -> None:
        """Set the wall clock, forward or back."""
        self.offset += int(seconds * SECOND)


class FakeMap:
    """The kernel's map of processes."""

    def __init__(self) -> None:
        self.entries: dict[int, KernelProcess] = {}

    def process(self, pid: int) -> KernelProcess | None:
        """Look one up."""
        return self.entries.get(pid)

    def all_processes(self) -> Iterable[tuple[int, KernelProcess]]:
        """Give them all."""
        return list(self.entries.items())

    def enter(self, pid: int, process: KernelProcess) -> None:
        """Set one."""
        self.entries[pid] = process


class FakeMachine(Machine):
    """What is read of the machine, as a test sets it: by the kernel side's map, and by pid."""

    def __init__(self, host: View, map_: FakeMap) -> None:
        self.host = host
        self.map = map_
        self.images: dict[int, bytes] = {}
        self.by_root: dict[int, View | None] = {}
        self.files: dict[int, View] = {}
        """Views by their file's inode."""
        self.identities: dict[int, Identity] = {}
        self.alive: set[int] = set()
        """Of those that the map does not know."""
        self.served_by_nscd: set[int] = set()
        self.forwards: dict[int, Forwarding] = {}
        self.refreshed: list[View] = []
        self.absent = ""

    def identify(self, subject: Subject) -> Identity:
        """Tell who it is; of one that has exited, only what the kernel side noted."""
        entry = self.map.entries.get(subject.tgid)
        if entry is None or (entry.birth, entry.execs) != (subject.birth, subject.execs):
            return replace(self.identities.get(subject.tgid, GETIP), start=None, image=None)
        return self.identity(subject.tgid)

    def identity(self, pid: int) -> Identity:
        """Tell who a living process is; /proc tells its start to the clock tick."""
        start = self.map.entries[pid].birth // TICK_NS * TICK_NS
        return replace(self.identities.get(pid, GETIP), start=start, image=self.images.get(pid))

    def process(self, pid: int) -> KernelProcess | None:
        """Look it up in the map."""
        return self.map.process(pid)

    def view(self, pid: int, root: int, parent: int) -> View | None:  # noqa: ARG002 - as the machine's
        """Find the view by the root's number."""
        return self.by_root.get(root, self.host)

    def own_view(self, subject: Subject) -> View | None:
        """Find the view of its root."""
        return self.view(subject.tgid, subject.root, subject.parent_tgid)

    def view_read(self, subject: Subject, file: tuple[int, int] | None) -> tuple[View | None, str]:
        """Find the view whose file was opened."""
        view = self.view(subject.tgid, subject.root, subject.parent_tgid)
        return view, "" if file is not None else self.absent

    def view_of_file(self, subject: Subject, inode: int, device: int) -> View | None:  # noqa: ARG002 - as above
        """Find the view that a test gave this inode."""
        return self.files.get(inode)

    def is_its_resolv_conf(self, subject: Subject, inode: int, device: int) -> bool:  # noqa: ARG002 - as above
        """Tell whether that is the process's own view's file."""
        return inode in self.files and self.files[inode] is self.view(subject.tgid, subject.root, 0)

    def note_device(self, view: View, inode: int, device: int) -> None:
        """Learn nothing: there is one file system."""

    def refresh_view(self, view: View) -> None:
        """Find no change: tests make them."""
        self.refreshed.append(view)

    def gone(self, process_id: tuple[int, int, int]) -> Subject | None:
        """Tell whether the map has another process, or none, by this pid."""
        pid, birth, execs = process_id
        entry = self.map.entries.get(pid)
        lives = (entry.birth, entry.execs) == (birth, execs) if entry else pid in self.alive
        return None if lives else lost_subject(process_id)

    def is_alive(self, pid: int) -> bool:
        """Tell whether a test said so."""
        return pid in self.alive

    def maps_hosts_table(self, pid: int) -> bool:
        """Tell whether nscd gave it its table of names."""
        return pid in self.served_by_nscd

    def interface(self, pid: int, index: int) -> str:
        """Name an interface."""
        return f"eth{index}-of-{pid}"


class FakeProcfs(Procfs):
    """The part of /proc that a daemon reads when it starts."""

    def __init__(self, machine: FakeMachine) -> None:
        super().__init__("/nonexistent")
        self._machine = machine

    def pids(self) -> Iterator[int]:
        """Give those of the map."""
        yield from list(self._machine.map.entries)

    def running(self, pid: int) -> Running | None:
        """Tell of one what /proc tells: its start to the clock tick."""
        entry = self._machine.map.entries[pid]
        start = entry.birth // TICK_NS * TICK_NS
        return Running(pid, entry.parent_tgid, start, (1, 1, entry.root), self._machine.images.get(pid))


class FakeViews(ViewTable):
    """The views that the previous daemon knew."""

    def __init__(self, *views: View) -> None:
        self.views = {view.id: view for view in views}

    def recall(self, name: str) -> View | None:
        """Find one by name."""
        return self.views.get(name)
