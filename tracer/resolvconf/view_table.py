"""Which resolv.conf files there are, and who sees which."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from tracer.clock import Clock
from tracer.errors import ResolvtraceError
from tracer.observe import rootfs
from tracer.observe.procfs import Procfs
from tracer.observe.root_requests import read_directly
from tracer.observe.roots import Root, RootReader
from tracer.resolvconf.history import History, after_suspend
from tracer.resolvconf.view import HOST, RESOLV_CONF, View
from tracer.resolvconf.view_reader import ViewReader

_SILENT_AT_ONCE = 4
_COMPARISONS = 12
"""Of a view with what a process sees: two reads, between which the file may be replaced, a thousand times a second."""
_KEPT_UNUSED = 128


@dataclass(frozen=True, slots=True)
class SavedView:
    """What the previous daemon of this boot knew of a view."""

    path: str
    directory: rootfs.Identity
    history: History


def _name(mount_ns: int | None, directory: rootfs.Identity, path: str) -> str:
    """Name a view; a forwarder's own file may lie in one directory with resolv.conf."""
    name = f"{mount_ns}:{directory.device}:{directory.inode}"
    return name if posixpath.basename(path) == posixpath.basename(RESOLV_CONF) else f"{name}:{path}"


def _numbered(name: str) -> Iterator[str]:
    """Give names for views that would have the same, since numbers of namespaces, devices and inodes are used again.

    A zero more in front of the inode tells them apart, and all stay numbers.
    """
    yield name
    namespace, _, rest = name.partition(":")
    device, _, inode = rest.partition(":")
    zeros = "0"
    while True:
        yield f"{namespace}:{device}:{zeros}{inode}"
        zeros += "0"


def _is_same(one: rootfs.Identity, other: rootfs.Identity, inhabited: bool) -> bool:
    """Tell a view from another's that had its name.

    What tells is when the directory was born or, if that is not known, whether a process has lived there throughout.
    """
    return one == other and bool(one.born or inhabited)


class ViewTable:
    """Every view that a tracked process has."""

    def __init__(
        self,
        procfs: Procfs,
        clock: Clock,
        root_number: Callable[[int], int | None],
        known: dict[str, SavedView],
        survived: frozenset[str] = frozenset({HOST}),
        root_reader: RootReader = read_directly,
    ) -> None:
        """Begin with the host's view.

        ``root_number`` gives a living process's root as the lineage numbers it. ``known`` are the histories that the
        previous daemon of this boot kept, by view, ``survived`` those of them in which a process lives on. The
        host's view is that of PID 1 or, if PID 1 may not be read, ours. ``root_reader`` reads what others see;
        the host's own process is trusted to have files that answer. Raises ResolvtraceError.
        """
        self._procfs = procfs
        self._clock = clock
        self._root_number = root_number
        self._known = known
        self._survived = survived
        self.unseen: set[str] = set()
        """Views that the last refresh could not read, though there is a process that sees them."""
        self.views: dict[str, View] = {}
        self.in_use: Callable[[], set[str]] = set
        """Which views living processes are judged by."""
        host_pid = _pid_with_host_view(procfs)
        self.reader = ViewReader(procfs.root, host_pid, root_number, root_reader)
        host = self.see(host_pid)
        if host is None:
            raise ResolvtraceError(
                "the host's /etc cannot be read",
                "there must be one, and openat2(2): a seccomp filter, such as RestrictSUIDSGID= of a unit, forbids it",
            )
        self.host = host

    def see(self, pid: int, path: str = RESOLV_CONF, *, absent: bool = True) -> View | None:
        """Find the view that a living process has now; None if it has exited or may not be read.

        Another ``path`` is for a forwarder, which takes its upstreams from a file of its own. ``absent``: whether a
        file that is not there makes a view too.
        """
        number = self._root_number(pid)
        root = self.reader.root(pid)
        try:
            view = self._find(root, path, self.reader.of_root(number or 0))
            if view is None and (absent or root.place(path).file is not None):
                view = self._create(root, path)
        except OSError:
            return None
        if view is None or self._root_number(pid) != number:
            return None
        for other in self.views.values():
            other.anchors.pop(pid, None)
        self.reader.note_anchor(view, pid, number or 0)
        if number and path == RESOLV_CONF:
            self.reader.note_root(number, view)
        return view

    def of_file(self, device: int, inode: int) -> View | None:
        """Find a view by its file, as it was last seen."""
        for view in self.views.values():
            if view.file is not None and (view.file.device, view.file.inode) == (device, inode):
                return view
        return None

    def files(self) -> set[tuple[int, int]]:
        """Give device and inode of every view's file."""
        files = (view.file for view in self.views.values())
        return {(file.device, file.inode) for file in files if file is not None}

    def _find(self, root: Root, path: str, likely: View | None) -> View | None:
        for _ in range(_COMPARISONS):
            place = root.place(path)
            alike = [view for view in self._alike(place, path) if view is not likely]
            # Each comparison is a request to a root reader: the likely one comes first.
            if likely is not None and (likely.directory, likely.path) == (place.directory, path):
                alike.insert(0, likely)
            # Read again: a file may be mounted over it, and the same link may lead elsewhere in another namespace.
            # And once more, since the file may have been replaced between the two reads.
            for view in alike:
                if self._place_of(view) == place:
                    return view
            if not alike:
                break
        return None

    def _place_of(self, view: View) -> rootfs.Place | None:
        seen = self.reader.status(view)
        return seen[1].place if seen else None

    def _alike(self, place: rootfs.Place, path: str) -> Iterator[View]:
        """Find the views that may be of the same file, so that not every container is read for each new one."""
        for view in self.views.values():
            if (view.directory, view.path, view.mounted) == (place.directory, path, place.mounted):
                yield view

    def _create(self, root: Root, path: str) -> View | None:
        mount_ns = self._procfs.namespace(root.pid, "mnt")
        if mount_ns is None and self.views:
            return None
        place = root.place(path)
        directory = place.directory
        wanted = HOST if not self.views else self._previous_name(directory, path) or _name(mount_ns, directory, path)
        for name in _numbered(wanted):
            previous, saved = self.views.get(name), self._known.get(name)
            if previous is not None:
                if self._is_previous(previous, place, name):
                    view = self._new_view(name, path, mount_ns, place, root)
                    view.begin(root, self._clock, previous.history)
                    previous.resume(view)
                    return previous
                if name in self.in_use() or any(self.reader.anchors(previous)):
                    continue
            elif saved is not None and not _is_same(directory, saved.directory, name in self._survived):
                if name in self._survived:
                    continue
                saved = None
            break
        view = self._new_view(name, path, mount_ns, place, root)
        view.begin(root, self._clock, saved.history if saved and previous is None else None)
        self._known.pop(name, None)
        self.views[name] = view
        return view

    def _previous_name(self, directory: rootfs.Identity, path: str) -> str | None:
        """Find what the previous daemon called this view, if its name came from another mount namespace."""
        for name, saved in self._known.items():
            if saved.path == path and name != HOST and _is_same(directory, saved.directory, name in self._survived):
                return name
        return None

    def _is_previous(self, previous: View, place: rootfs.Place, name: str) -> bool:
        """Tell whether a view that had the name is the same, and nobody is left through whom it could be read."""
        return _is_same(place.directory, previous.directory, name in self.in_use()) and not any(
            self.reader.anchors(previous)
        )

    def _new_view(self, name: str, path: str, mount_ns: int | None, place: rootfs.Place, root: Root) -> View:
        view = View(name, path, mount_ns, place.directory)
        view.mounted = place.mounted
        view.inside = self._procfs.root_name(root.pid)
        return view

    def recall(self, name: str) -> View | None:
        """Find a view by its name, also one that only the previous daemon saw: it has a past, and no process yet."""
        if name not in self.views and name in self._known:
            namespace = int(name.partition(":")[0])
            saved = self._known.pop(name)
            view = View(name, saved.path, namespace, saved.directory)
            view.history = saved.history
            self.views[name] = view
        return self.views.get(name)

    def after_suspend(self, began: int, slept: int, grace_seconds: float) -> None:
        """Let the graces stand still for as long as the machine did. Times are nanoseconds."""
        for view in self.views.values():
            view.history = after_suspend(view.history, began, slept, grace_seconds)

    # Refreshing.

    def refresh(self, views: Collection[View] | None = None) -> list[View]:
        """Refresh these views, or all; gives those with a new generation."""
        wanted = list(self.views.values()) if views is None else views
        self.unseen.clear()
        changed = [view for view in wanted if view is self.host and self.refresh_one(view)]
        silent = [view for view in wanted if self.reader.is_silent(view)]
        changed += [view for view in silent[:_SILENT_AT_ONCE] if self.refresh_one(view)]
        others = {view.id: view for view in wanted if view is not self.host and not self.reader.is_silent(view)}
        for view, pid, status in self.reader.statuses(list(others.values())):
            del others[view.id]
            if status is None:
                self.unseen.add(view.id)
            elif self._update(view, pid, status):
                changed.append(view)
        return changed + [view for view in others.values() if self.refresh_one(view)]

    def refresh_one(self, view: View) -> bool:
        """Refresh one view now; True if that made a new generation."""
        seen = self.reader.status(view)
        if seen is None and view.anchors:
            self.unseen.add(view.id)
        return seen is not None and self._update(view, *seen)

    def _update(self, view: View, pid: int, status: rootfs.FileStatus) -> bool:
        try:
            return view.update(status, self.reader.root(pid), self._clock)
        except TimeoutError:
            self.reader.note_silent(view)
        except OSError:
            self.unseen.add(view.id)
        return False

    def forget_unused(self, living_roots: set[int]) -> None:
        """Drop the oldest views that no tracked process has, beyond some, and roots that no process has."""
        used = {HOST, *self.in_use()}
        unused = [name for name in self.views if name not in used]
        for name in unused[: max(0, len(unused) - _KEPT_UNUSED)]:
            del self.views[name]
        self.reader.forget(set(self.views.values()), living_roots)


def _pid_with_host_view(procfs: Procfs) -> int:
    """Give PID 1 or, if its root directory may not be read, our own."""
    try:
        with rootfs.root_of(procfs.root, 1):
            return 1
    except OSError:
        return int(os.readlink(f"{procfs.root}/self"))
