"""Which resolv.conf files there are, and who sees which.

A view is looked at through the root directory of a process that sees it, opened anew each time: a descriptor kept
open would keep a container's file system from being unmounted.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from tracer import rootfs
from tracer.clock import Clock
from tracer.errors import ResolvtraceError
from tracer.generations import History, after_suspend
from tracer.looks import look
from tracer.procfs import Procfs
from tracer.roots import Looker, Root
from tracer.view import RESOLV_CONF, View

_T = TypeVar("_T")

HOST = "host"
_LOOKED_AT_ONCE = 20
_COMPARISONS = 3
_KEPT_UNUSED = 128


@dataclass(frozen=True, slots=True)
class SavedView:
    """What a former daemon of this boot knew of a view."""

    path: str
    directory: rootfs.Identity
    history: History


def _name(mount_ns: int | None, directory: rootfs.Identity, path: str) -> str:
    """Name a view; a forwarder's own file may lie in one directory with resolv.conf."""
    name = f"{mount_ns}:{directory.device}:{directory.inode}"
    return name if posixpath.basename(path) == posixpath.basename(RESOLV_CONF) else f"{name}:{path}"


def _is_same(one: rootfs.Identity, other: rootfs.Identity, inhabited: bool) -> bool:
    """Tell a view from another's that had its name: numbers of namespaces, devices and inodes are used again.

    What tells is when the directory was born or, where that is not known, whether a process has lived there throughout.
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
        looker: Looker = look,
    ) -> None:
        """Begin with the host's view.

        ``root_number`` gives a living process's root as the lineage numbers it. ``known`` are the histories that a
        former daemon of this boot kept, by view, ``survived`` those of them in which a process lives on. The
        host's view is that of PID 1 or, where PID 1 may not be looked at, ours. ``looker`` looks at what others see;
        the host's own process is trusted to have files that answer. Raises ResolvtraceError.
        """
        self._procfs = procfs
        self._clock = clock
        self._root_number = root_number
        self._known = known
        self._survived = survived
        self._looker = looker
        self._silent: set[str] = set()
        self.unreadable = 0
        """How often a view ceased to answer."""
        self._by_root: dict[int, View] = {}
        self._next = 0
        self.views: dict[str, View] = {}
        self.in_use: Callable[[], set[str]] = set
        """Which views living processes are judged by."""
        self.host_pid = 1
        try:
            with rootfs.root_of(procfs.root, 1):
                pass
        except OSError:
            self.host_pid = _own_pid(procfs)
        host = self.see(self.host_pid)
        if host is None:
            raise ResolvtraceError(
                "the host's /etc cannot be looked at",
                "there must be one, and openat2(2): a seccomp filter, such as RestrictSUIDSGID= of a unit, forbids it",
            )
        self.host = host

    def see(self, pid: int, path: str = RESOLV_CONF) -> View | None:
        """Find the view that a living process has now; None where it is gone or may not be looked at.

        Another ``path`` is for a forwarder, which takes its upstreams from a file of its own.
        """
        number = self._root_number(pid)
        root = self._root(pid)
        try:
            view = self._find(root, path, self._by_root.get(number or 0)) or self._create(root, path)
        except OSError:
            return None
        if view is None or self._root_number(pid) != number:
            return None
        for other in self.views.values():
            other.anchors.pop(pid, None)
        view.anchors[pid] = number or 0
        if number and path == RESOLV_CONF:
            self._by_root[number] = view
        return view

    def _root(self, pid: int) -> Root:
        return Root(self._procfs.root, pid, look if pid == self.host_pid else self._looker)

    def of_root(self, number: int) -> View | None:
        """Find the view that a process had by what its root is called, where it cannot be looked at any more."""
        return self._by_root.get(number)

    def _find(self, root: Root, path: str, likely: View | None) -> View | None:
        for _ in range(_COMPARISONS):
            place = root.place(path)
            alike = [view for view in self._alike(place, path) if view is not likely]
            # Each comparison is a look by a lookout: the likely one comes first.
            if likely is not None and (likely.directory, likely.path) == (place.directory, path):
                alike.insert(0, likely)
            # Looked at anew: a file may be mounted over it, and the same link may lead elsewhere in another namespace.
            # And once more, since the file may have been replaced between the two looks.
            for view in alike:
                found = self._through_anchor(view, lambda anchor: anchor.place(path))
                if found is not None:
                    view.mounted = found.mounted
                if found == place:
                    return view
            if not alike:
                break
        return None

    def _alike(self, place: rootfs.Place, path: str) -> Iterator[View]:
        """Find the views that may be of the same file, so that not every container is looked at for each new one.

        Of those with a file mounted over it, each with another: should one have been mounted anew in between, the same
        file has two views, which is no harm.
        """
        for view in self.views.values():
            if (view.directory, view.path, view.mounted) == (place.directory, path, place.mounted):
                yield view

    def _create(self, root: Root, path: str) -> View | None:
        mount_ns = self._procfs.namespace(root.pid, "mnt")
        if mount_ns is None and self.views:
            return None
        place = root.place(path)
        directory = place.directory
        name = HOST if not self.views else _name(mount_ns, directory, path)
        view = View(name, path, mount_ns, directory)
        view.mounted = place.mounted
        view.inside = self._procfs.root_name(root.pid)
        former = self.views.get(name)
        saved = self._known.pop(name, None)
        past = None
        if saved is not None and _is_same(directory, saved.directory, name in self._survived):
            past = saved.history
        if former is not None and _is_same(directory, former.directory, name in self.in_use()):
            view.begin(root, self._clock, former.history)
            former.resume(view)
            return former
        view.begin(root, self._clock, past)
        self.views[name] = view
        return view

    def recall(self, name: str) -> View | None:
        """Find a view by its name, also one that only a former daemon saw: it has a past, and no process yet."""
        if name not in self.views and name in self._known:
            namespace = int(name.partition(":")[0])
            saved = self._known.pop(name)
            view = View(name, saved.path, namespace, saved.directory)
            view.history = saved.history
            self.views[name] = view
        return self.views.get(name)

    def _through_anchor(self, view: View, look_through: Callable[[Root], _T]) -> _T | None:
        silent = False
        for pid, number in list(view.anchors.items()):
            if (self._root_number(pid) or 0) == number:
                try:
                    seen = look_through(self._root(pid))
                except BlockingIOError:  # not now; but the process is the right one
                    return None
                except TimeoutError:  # its file system is silent; another's may not be
                    silent = True
                    continue
                except OSError:
                    pass
                else:
                    self._silent.discard(view.id)
                    return seen
            del view.anchors[pid]
        if silent:
            self._fall_silent(view)
        return None

    def _fall_silent(self, view: View) -> None:
        if view.id not in self._silent:
            self._silent.add(view.id)
            self.unreadable += 1

    def after_suspend(self, began: int, slept: int, grace_seconds: float) -> None:
        """Let the graces stand still for as long as the machine did. Times are nanoseconds."""
        for view in self.views.values():
            view.history = after_suspend(view.history, began, slept, grace_seconds)

    def look(self) -> list[View]:
        """Look at the views in turn, a bounded number at a time; gives those with a new generation."""
        views = list(self.views.values())
        turn = [view for view in views if view.unsettled or view is self.host]
        others = [view for view in views if view not in turn]
        begin = self._next % max(len(others), 1)
        turn += (others[begin:] + others[:begin])[:_LOOKED_AT_ONCE]
        self._next = begin + _LOOKED_AT_ONCE
        return [view for view in turn if self.look_at(view)]

    def look_at(self, view: View) -> bool:
        """Look at one view now; True where that made a new generation."""
        return bool(self._through_anchor(view, lambda root: view.look(root, self._clock)))

    def forget_unused(self, living_roots: set[int]) -> None:
        """Drop the oldest views that no tracked process has, beyond some, and roots that no process has."""
        used = {HOST, *self.in_use()}
        unused = [name for name in self.views if name not in used]
        for name in unused[: max(0, len(unused) - _KEPT_UNUSED)]:
            del self.views[name]
        self._silent &= self.views.keys()
        self._by_root = {
            number: view for number, view in self._by_root.items() if view.id in self.views and number in living_roots
        }


def _own_pid(procfs: Procfs) -> int:
    return int(os.readlink(f"{procfs.root}/self"))
