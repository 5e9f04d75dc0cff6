"""Who a process is, and which resolv.conf it sees: /proc, the views and the lineage put together."""

from __future__ import annotations

import os
from collections import Counter, OrderedDict
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from tracer.clock import Clock
from tracer.identity import Identity
from tracer.kernel.filesystems import find_cgroup2
from tracer.kernel.losses import Unidentified
from tracer.kernel.probes import Probes
from tracer.kernel.records import CHROOTED, KernelProcess, ProcessFlag, Subject, text
from tracer.observation.lineage import Lineage
from tracer.observe.cgroups import CgroupPaths
from tracer.observe.inotify import watched
from tracer.observe.procfs import Procfs
from tracer.observe.root_requests import read_directly
from tracer.observe.roots import RootReader
from tracer.observe.units import placement
from tracer.resolvconf.history import SECOND
from tracer.resolvconf.view import RESOLV_CONF, View
from tracer.resolvconf.view_table import ViewTable

_KEPT = 1024
_ANY = 0
"""In the place of a pid: whoever has that root directory."""
_UNKNOWN = "?"
_MINOR_BITS = 20
"""Of a device's number in the kernel (include/linux/kdev_t.h)."""


class _Seen(NamedTuple):
    view: View | None
    at: int


class Machine:
    """What the observer needs of the machine about one process."""

    def __init__(
        self,
        procfs: Procfs,
        lineage: Lineage,
        views: ViewTable,
        probes: Probes,
        cgroups: CgroupPaths,
        clock: Clock,
        unidentified: Counter[str],
        root_reader: RootReader = read_directly,
    ) -> None:
        self._procfs = procfs
        self._lineage = lineage
        self._views = views
        self._probes = probes
        self._cgroups = cgroups
        self._clock = clock
        self._unidentified = unidentified
        self._root_reader = root_reader
        self._seen: OrderedDict[tuple[int, int], _Seen] = OrderedDict()
        self._mismatched: dict[tuple[int, int, int, int], int] = {}
        """When a file was last found not to be the one that a process sees; by process, root and file."""
        self._walked = 0
        self._changed: list[View] = []
        self._devices: dict[int, int] = {}

    def identify(self, subject: Subject) -> Identity:
        """Ask /proc where it is still the same process, and what the kernel side noted where it is gone."""
        found = self._procfs.identity(subject.tgid) if self._is_same(subject) else Identity()
        if not self._is_same(subject):  # gone, or another program, while it was read
            found = Identity()
        if found.comm is None:
            return self._as_noted(subject)
        return found if found.exe else replace(found, exe=self._probes.image_path(subject.image))

    def identity(self, pid: int) -> Identity:
        """Ask /proc who a living process is."""
        return self._procfs.identity(pid)

    def _as_noted(self, subject: Subject) -> Identity:
        """Tell what the kernel side noted of a process that /proc does not show."""
        group = self._cgroups.path(subject.cgroup) if subject.cgroup else None
        exe = self._probes.image_path(subject.image)
        if self._is_same(subject):
            self._unidentified[Unidentified.PROCESS_HIDDEN] += 1
        elif group is None or exe is None:
            self._unidentified[Unidentified.PROCESS_GONE] += 1
        placed = placement(group or "/")
        pod = self._procfs.pods.of_cgroup(group or "/")
        return Identity(
            text(subject.comm) or _UNKNOWN,
            exe,
            subject.uid,
            placed.unit,
            placed.container,
            pod,
            inner_unit=placed.inner_unit,
            runtime=placed.runtime,
        )

    def _is_same(self, subject: Subject) -> bool:
        entry = self._lineage.process(subject.tgid)
        if entry is None or entry.execs != subject.execs:
            return False
        return not subject.birth or entry.birth == subject.birth

    def view(self, pid: int, root: int, parent: int) -> View | None:
        """Find it through the process's root directory, or through another's that is the same.

        Processes with one root see one view: within a second they are not read one by one.
        """
        now = self._clock.boot()
        for key in ((pid, root), (_ANY, root)):
            seen = self._seen.get(key)
            if seen and now - seen.at < SECOND:
                self._note_anchor(seen.view, pid, root)
                return seen.view
        view = (
            self._see(pid, root)
            or self._views.reader.of_root(root)
            or self._see(parent, root)
            or self._see_through_others(pid, root)
        )
        self._note_seen((_ANY if root and view is not None else pid, root), view, now)
        return view

    def _note_seen(self, key: tuple[int, int], view: View | None, now: int) -> None:
        self._seen[key] = _Seen(view, now)
        self._seen.move_to_end(key)
        if len(self._seen) > _KEPT:
            self._seen.popitem(last=False)

    def _note_anchor(self, view: View | None, pid: int, root: int) -> None:
        if view is not None and root and self._lineage.root_number(pid) == root:
            self._views.reader.note_anchor(view, pid, root)

    def own_view(self, subject: Subject) -> View | None:
        """Find the view that a process has: that of the root it was seen in or, if that is gone, of the one it has."""
        found = self.view(subject.tgid, subject.root, subject.parent_tgid)
        if found is None and self._is_same(subject) and (now := self._lineage.root_number(subject.tgid)) is not None:
            found = self._see(subject.tgid, now)
        return found

    def _see_through_others(self, pid: int, root: int) -> View | None:
        """Find it through any living process with that root: a daemon's first process is gone, its child has it too.

        Or through one that has the whole of the mount namespace for its root, if this one had it and has called
        chroot since. Walks all processes, so not more than a few times a second.
        """
        now = self._clock.boot()
        if now - self._walked < SECOND // 5:
            return None
        self._walked = now
        for other, entry in self._probes.all_processes():
            if entry.root == root and (view := self._see(other, root)) is not None:
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
        # A chroot that holds no such file has no view, until it is put there.
        in_chroot = root & CHROOTED or self._procfs.root_name(pid)
        return self._views.see(pid, absent=not in_chroot)

    def view_read(self, subject: Subject, file: tuple[int, int] | None) -> tuple[View | None, str]:
        """Find the view whose file a process just opened, or tried to; and where it is absent, if it is in its root.

        ``file``: inode and device, as the kernel numbers it, of the file that was opened; None if none was.
        """
        if file is not None:
            # If it has exited or called chroot since, the file itself tells.
            return self._view_opened(subject, *file) or self._views.of_file(self._device(file[1]), file[0]), ""
        view = None
        if self._lineage.root_number(subject.tgid) == subject.root:
            view = self._see(subject.tgid, subject.root)
            if view is None and self._lineage.root_number(subject.tgid) == subject.root:
                return None, self._procfs.root_name(subject.tgid) + RESOLV_CONF
        return view or self._views.reader.of_root(subject.root), ""

    def _view_opened(self, subject: Subject, inode: int, device: int) -> View | None:
        """Find the view that a process has; if that is not of the file which it opened, read it again."""
        known = self._views.reader.of_root(subject.root)
        if known is not None and self._is_file(known, inode, device):
            self._note_anchor(known, subject.tgid, subject.root)
            return known
        own = self.view(subject.tgid, subject.root, subject.parent_tgid)
        if not inode or (own is not None and self._is_file(own, inode, device)):
            return own
        mismatch = (subject.tgid, subject.root, inode, device)
        now = self._clock.boot()
        if now - self._mismatched.get(mismatch, 0) < SECOND:
            return own
        if own is not None:  # it may have been replaced since
            self.refresh_view(own)
            if self._is_file(own, inode, device):
                return own
        # Another may have been mounted over it since, or it has another root by now, which may hold the very same file.
        seen = self._views.see(subject.tgid, absent=False) if self._is_same(subject) else None
        if seen is not None and seen is not own:
            self.refresh_view(seen)
            if self._is_file(seen, inode, device):
                self._note_seen((subject.tgid, subject.root), seen, now)
                return seen
        if len(self._mismatched) >= _KEPT:
            self._mismatched.clear()
        self._mismatched[mismatch] = now
        return own

    def view_of_file(self, subject: Subject, inode: int, device: int) -> View | None:
        """Find the view of a file that was opened by another name: the process's own if that has it."""
        own = self._view_opened(subject, inode, device)
        if own is not None and self._is_file(own, inode, device):
            return own
        return self._views.of_file(self._device(device), inode)

    def is_its_resolv_conf(self, subject: Subject, inode: int, device: int) -> bool:
        """Tell whether a file that a process opened by another name is the resolv.conf that it sees."""
        own = self._view_opened(subject, inode, device)
        return own is not None and self._is_file(own, inode, device)

    def _is_file(self, view: View, inode: int, device: int) -> bool:
        return view.file is not None and (view.file.inode, view.file.device) == (inode, self._device(device))

    def _device(self, device: int) -> int:
        """Give the number that stat(2) has for a file system which the kernel numbers so."""
        return self._devices.get(device) or os.makedev(device >> _MINOR_BITS, device & (1 << _MINOR_BITS) - 1)

    def note_device(self, view: View, inode: int, device: int) -> None:
        """Learn how stat(2) numbers a file system that has one number in the kernel and others outside (btrfs)."""
        if device and view.file is not None and view.file.inode == inode and self._device(device) != view.file.device:
            self._devices[device] = view.file.device

    def view_files(self) -> set[tuple[int, int]]:
        """Give device, as the kernel numbers it, and inode of every view's file."""
        kernel = {outside: inside for inside, outside in self._devices.items()}
        return {
            (kernel.get(device) or os.major(device) << _MINOR_BITS | os.minor(device), inode)
            for device, inode in self._views.files()
        }

    def refresh_view(self, view: View) -> None:
        """Refresh a view now; what has changed is given by :meth:`take_changed`."""
        if self._views.refresh_one(view):
            self._changed.append(view)

    @property
    def has_changed(self) -> bool:
        """Whether a refresh for a record found a change."""
        return bool(self._changed)

    def take_changed(self) -> list[View]:
        """Give the views that have a new generation since the last call."""
        changed, self._changed = self._changed, []
        return changed

    def gone(self, process_id: tuple[int, int, int]) -> Subject | None:
        """Describe a process that has exited, or called exec, without a record of it; None if it lives."""
        pid, birth, execs = process_id
        entry = self._lineage.process(pid)
        lives = (entry.birth, entry.execs) == (birth, execs) if entry else self._procfs.is_alive(pid)
        return None if lives else lost_subject(process_id)

    def process(self, pid: int) -> KernelProcess | None:
        """Look up the kernel side's entry of a living process."""
        return self._lineage.process(pid)

    def is_alive(self, pid: int) -> bool:
        """Tell whether any thread of a process runs."""
        return self._procfs.is_alive(pid)

    def maps_hosts_table(self, pid: int) -> bool:
        """Read /proc/PID/maps."""
        with suppress(OSError):
            return bool(self._root_reader("maps_hosts_table", self._procfs.root, pid))
        return False

    def watches(self, pid: int, view: View) -> bool:
        """Tell whether inotify(7) tells a process of changes of a view's file, or of the directory that holds it."""
        places = {place[:2] for place in view.place if place is not None}
        return any((self._device(device), inode) in places for inode, device in watched(self._procfs.root, pid))

    def interface(self, pid: int, index: int) -> str:
        """Find the name beside the number in /proc/PID/net/if_inet6 (proc(5)): link-local means that it has IPv6."""
        with suppress(OSError):
            for line in Path(f"{self._procfs.root}/{pid}/net/if_inet6").read_text().splitlines():
                fields = line.split()
                if int(fields[1], 16) == index:
                    return fields[5]
        return str(index)


def lost_subject(process_id: tuple[int, int, int]) -> Subject:
    """Describe a process of which only its id is known any more."""
    pid, birth, execs = process_id
    return Subject(
        birth=birth,
        res_state_id=0,
        root=0,
        image=0,
        parent_birth=0,
        owner_birth=birth,
        checked=0,
        cgroup=0,
        tgid=pid,
        execs=execs,
        parent_tgid=0,
        owner_tgid=pid,
        owner_execs=execs,
        uid=0,
        flags=ProcessFlag.ACTED | ProcessFlag.FORKED,
        comm=b"",
    )


def cgroup_root() -> str:
    """Give the directory of the unified cgroup tree; one that does not exist if there is none to be seen."""
    return str(find_cgroup2() or "/nonexistent")
