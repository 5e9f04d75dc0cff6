"""The machine as the ledger asks for it: /proc, the views and the lineage put together."""

from __future__ import annotations

from collections import Counter, OrderedDict
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from tracer.cgroups import CgroupPaths
from tracer.clock import Clock
from tracer.forwarders import Forwarders
from tracer.generations import SECOND
from tracer.kernel.filesystems import find_cgroup2
from tracer.kernel.probes import Probes
from tracer.kernel.records import CHROOTED, Subject, text
from tracer.lineage import Lineage
from tracer.looks import look
from tracer.losses import Lost
from tracer.process import Process
from tracer.procfs import Identity, Procfs, unit_and_container_of_path
from tracer.roots import Looker, Root
from tracer.view import View
from tracer.views import ViewTable

_KEPT = 1024
_UNKNOWN = "?"


class _Seen(NamedTuple):
    view: View | None
    at: int


class Machine:
    """See :class:`tracer.ledger.Surroundings`."""

    def __init__(
        self,
        procfs: Procfs,
        lineage: Lineage,
        views: ViewTable,
        probes: Probes,
        cgroups: CgroupPaths,
        clock: Clock,
        lost: Counter[str],
        looker: Looker = look,
    ) -> None:
        self._procfs = procfs
        self._lineage = lineage
        self._views = views
        self._probes = probes
        self._cgroups = cgroups
        self._clock = clock
        self._lost = lost
        self._looker = looker
        self._forwarders = Forwarders(procfs.root, views.see, looker)
        self._seen: OrderedDict[tuple[int, int], _Seen] = OrderedDict()
        self._walked = 0

    def identify(self, subject: Subject) -> Identity:
        """Ask /proc where it is still the same process, and what the kernel side noted where it is gone."""
        found = self._procfs.identity(subject.tgid) if self._is_same(subject) else Identity()
        if not self._is_same(subject):  # gone, or another program, while it was read
            found = Identity()
        if found.comm is None:
            return self._as_noted(subject)
        return found if found.exe else replace(found, exe=self._probes.image_path(subject.image))

    def _as_noted(self, subject: Subject) -> Identity:
        """Tell what the kernel side noted of a process that /proc does not show."""
        group = self._cgroups.path(subject.cgroup) if subject.cgroup else None
        exe = self._probes.image_path(subject.image)
        if self._is_same(subject):
            self._lost[Lost.PROCESS_HIDDEN] += 1
        elif group is None or exe is None:
            self._lost[Lost.PROCESS_GONE] += 1
        unit, container = unit_and_container_of_path(group or "/")
        pod = self._procfs.pods.of_cgroup(group or "/")
        return Identity(text(subject.comm) or _UNKNOWN, exe, subject.uid, unit, container, pod)

    def _is_same(self, subject: Subject) -> bool:
        entry = self._lineage.process(subject.tgid)
        if entry is None or entry.execs != subject.execs:
            return False
        return not subject.birth or entry.birth == subject.birth

    def view(self, pid: int, root: int, parent: int) -> View | None:
        """Look through the process's root directory, or through another's that is the same."""
        now = self._clock.boot()
        seen = self._seen.get((pid, root))
        if seen and now - seen.at < SECOND:
            return seen.view
        view = (
            self._see(pid, root)
            or self._views.of_root(root)
            or self._see(parent, root)
            or self._see_through_others(pid, root)
        )
        self._seen[pid, root] = _Seen(view, now)
        self._seen.move_to_end((pid, root))
        if len(self._seen) > _KEPT:
            self._seen.popitem(last=False)
        return view

    def _see_through_others(self, pid: int, root: int) -> View | None:
        """Look through any living process with that root: a daemon's first process is gone, its child has it too.

        Or through one that has the whole of the mount namespace for its root, where this one had it and has called
        chroot since. Walks all processes, so not more than a few times a second.
        """
        now = self._clock.boot()
        if now - self._walked < SECOND // 5:
            return None
        self._walked = now
        for other, entry in self._probes.all_processes():
            if entry.root == root and (view := self._views.see(other)) is not None:
                return view
        if root & CHROOTED or not (self._lineage.root_number(pid) or 0) & CHROOTED:
            return None
        namespace = self._procfs.namespace(pid, "mnt")
        for other in self._procfs.pids() if namespace else ():
            if self._procfs.namespace(other, "mnt") == namespace and not self._procfs.root_name(other):
                return self._views.see(other)
        return None

    def _see(self, pid: int, root: int) -> View | None:
        if root and self._lineage.root_number(pid) != root:
            return None
        return self._views.see(pid)

    def is_view_file(self, pid: int, path: str) -> bool:
        """Compare the two files as the process sees them."""
        with suppress(OSError):
            return Root(self._procfs.root, pid, self._looker).is_same_file(path)
        return False

    def look_at(self, view: View) -> bool:
        """Look at the view's file now."""
        return self._views.look_at(view)

    def is_alive(self, pid: int) -> bool:
        """Ask /proc."""
        return self._procfs.is_alive(pid)

    def upstreams(self, process: Process) -> View | bool:
        """See :mod:`tracer.forwarders`."""
        return self._forwarders.upstreams(process)

    def maps_hosts_table(self, pid: int) -> bool:
        """Look into /proc/PID/maps."""
        with suppress(OSError):
            return bool(self._looker("maps_hosts_table", self._procfs.root, pid))
        return False

    def interface(self, pid: int, index: int) -> str:
        """Find the name beside the number in /proc/PID/net/if_inet6 (proc(5)): link-local means that it has IPv6."""
        with suppress(OSError):
            for line in Path(f"{self._procfs.root}/{pid}/net/if_inet6").read_text().splitlines():
                fields = line.split()
                if int(fields[1], 16) == index:
                    return fields[5]
        return str(index)


def cgroup_root() -> str:
    """Give the directory of the unified cgroup tree; one that is not there where there is none to be seen."""
    return str(find_cgroup2() or "/nonexistent")
