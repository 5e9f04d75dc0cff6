"""The resolv.conf files that processes see, and how each changes over time.

A view is looked at through the root directory of a process that sees it, opened anew each time: a descriptor kept
open would keep a container's file system from being unmounted. It is looked at by stat and not by inotify, because a
bind mount over the file, a network file system and an overlay's lower layer send no event.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tracer import rootfs
from tracer.clock import Clock
from tracer.generations import History, first_generation, follow
from tracer.procfs import Procfs
from tracer.resolvconf import ResolvConf, parse

_T = TypeVar("_T")

RESOLV_CONF = "/etc/resolv.conf"
HOST = "host"
_MILLISECOND = 1_000_000
# How long a state of the file has to last. A renamed file is whole. One that is written in place may not be yet, and an
# empty one is most often a writer (dhclient, cloud-init, Docker) that has truncated and not yet written.
_SETTLE_WRITTEN = 200 * _MILLISECOND
_SETTLE_EMPTY = 500 * _MILLISECOND
_LOOKED_AT_ONCE = 20
# A container may write a hundred megabytes over and over: a large file is read for a twentieth of the time at most.
_LARGE_BYTES = 1 << 20
_REST = 20
_COMPARISONS = 3
_KEPT_UNUSED = 128


_UNSEEN = rootfs.Signature(rootfs.Identity(0, 0), -1, 0, 0, regular=False)


@dataclass(frozen=True, slots=True)
class _Pending:
    """A state of the file that may turn out to be a passing one."""

    signature: rootfs.Signature | None
    conf: ResolvConf
    began: int
    since: int
    settle: int


class View:
    """One resolv.conf as processes see it."""

    def __init__(self, name: str, path: str, mount_ns: int | None, directory: rootfs.Identity) -> None:
        self.id = name
        self.path = path
        self.mount_ns = mount_ns
        self.directory = directory
        self.history: History
        self.changes = 0
        self.anchors: dict[int, int] = {}
        """Processes that see it: pid to root, as the lineage numbers roots."""
        self._signature: rootfs.Signature | None = _UNSEEN
        self._pending: _Pending | None = None
        self._looked = 0
        self._large_again = 0

    def begin(self, root: int, clock: Clock, history: History | None) -> None:
        """Read it for the first time; ``history`` is what a former daemon knew of it."""
        now = clock.boot()
        if history is not None:
            self.history = history
            self._looked = history.current.noticed
            self.look(root, clock)
            return
        self._signature = rootfs.signature(root, self.path)
        conf = parse(rootfs.read_lines_that_matter(root, self.path))
        self.history = first_generation(conf, now, _changed(self._signature, clock) or now)
        self._looked = now

    def look(self, root: int, clock: Clock) -> bool:
        """See whether the file changed; True where that made a new generation."""
        now = clock.boot()
        signature = rootfs.signature(root, self.path)
        if self._pending is None and signature == self._signature:
            self._looked = now
            return False
        if self._pending is None or self._pending.signature != signature:
            if signature and signature.bytes > _LARGE_BYTES and now < self._large_again:
                return False
            self._pending = self._read(root, signature, clock, now)
            self._large_again = now + _REST * (clock.boot() - now)
        pending = self._pending
        if now - pending.since < pending.settle:
            return False
        self._pending = None
        self._signature = signature
        return self._accept(self.history, pending.conf, pending.began, now)

    def resume(self, seen: View) -> None:
        """Go on with what has just been seen of it through another process."""
        self.history = seen.history
        self._signature, self._looked = seen._signature, seen._looked

    @property
    def unsettled(self) -> bool:
        """Whether a change has been seen that is not yet believed."""
        return self._pending is not None

    def _read(self, root: int, signature: rootfs.Signature | None, clock: Clock, now: int) -> _Pending:
        conf = parse(rootfs.read_lines_that_matter(root, self.path))
        changed = min(_changed(signature, clock) or now, now)
        began = max(changed, self._looked)
        # A rename sets the ctime and leaves the mtime: the file was whole before it came here.
        renamed = signature is not None and signature.changed > signature.modified
        settle = _SETTLE_EMPTY if conf.implicit else 0 if renamed else _SETTLE_WRITTEN
        # What changed before this daemon looked has lasted since then.
        since = changed if self._signature is _UNSEEN else now
        return _Pending(signature, conf, began, since, settle)

    def _accept(self, history: History, conf: ResolvConf, began: int, now: int) -> bool:
        self.history = follow(history, conf, began, now)
        is_new = self.history.current.number != history.current.number
        self.changes += is_new
        return is_new


def _changed(signature: rootfs.Signature | None, clock: Clock) -> int | None:
    """Give when a file last changed, in boot time: its ctime, which a rename sets too."""
    return signature.changed - clock.wall_offset() if signature else None


@dataclass(frozen=True, slots=True)
class SavedView:
    """What a former daemon of this boot knew of a view."""

    path: str
    directory: rootfs.Identity
    history: History


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
    ) -> None:
        """Begin with the host's view.

        ``root_number`` gives a living process's root as the lineage numbers it. ``known`` are the histories that a
        former daemon of this boot kept, by view, ``survived`` those of them in which a process lives on. The
        host's view is that of PID 1 or, where PID 1 may not be looked at, ours.
        """
        self._procfs = procfs
        self._clock = clock
        self._root_number = root_number
        self._known = known
        self._survived = survived
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
            raise FileNotFoundError("/etc")
        self.host = host

    def see(self, pid: int, path: str = RESOLV_CONF) -> View | None:
        """Find the view that a living process has now; None where it is gone or may not be looked at.

        Another ``path`` is for a forwarder, which takes its upstreams from a file of its own.
        """
        number = self._root_number(pid)
        try:
            with rootfs.root_of(self._procfs.root, pid) as root:
                view = self._find(root, path) or self._create(pid, root, path)
                if view is None or self._root_number(pid) != number:
                    return None
        except OSError:
            return None
        view.anchors[pid] = number or 0
        if number and path == RESOLV_CONF:
            self._by_root[number] = view
        return view

    def of_root(self, number: int) -> View | None:
        """Find the view that a process had by what its root is called, where it cannot be looked at any more."""
        return self._by_root.get(number)

    def _find(self, root: int, path: str) -> View | None:
        for _ in range(_COMPARISONS):
            place = rootfs.place(root, path)
            alike = [view for view in self.views.values() if (view.directory, view.path) == (place.directory, path)]
            # Looked at anew: a file may be mounted over it, and the same link may lead elsewhere in another namespace.
            # And once more, since the file may have been replaced between the two looks.
            for view in alike:
                if self._through_anchor(view, lambda anchor: rootfs.place(anchor, path)) == place:
                    return view
            if not alike:
                break
        return None

    def _create(self, pid: int, root: int, path: str) -> View | None:
        mount_ns = self._procfs.namespace(pid, "mnt")
        if mount_ns is None and self.views:
            return None
        directory = rootfs.place(root, path).directory
        name = HOST if not self.views else f"{mount_ns}:{directory.device}:{directory.inode}"
        view = View(name, path, mount_ns, directory)
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

    def _through_anchor(self, view: View, look: Callable[[int], _T]) -> _T | None:
        for pid, number in list(view.anchors.items()):
            if (self._root_number(pid) or 0) == number:
                try:
                    with rootfs.root_of(self._procfs.root, pid) as root:
                        return look(root)
                except BlockingIOError:  # not now; but the process is the right one
                    return None
                except OSError:
                    pass
            del view.anchors[pid]
        return None

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
        self._by_root = {
            number: view for number, view in self._by_root.items() if view.id in self.views and number in living_roots
        }


def _own_pid(procfs: Procfs) -> int:
    return int(os.readlink(f"{procfs.root}/self"))
