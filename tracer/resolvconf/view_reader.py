"""Through whom each view is read: the living processes that see it, its anchors, and which root directory shows which.

An anchor's root directory is opened each time: a descriptor kept open would keep a container's file system from being
unmounted. A view is a file, and not a process's word for it: an anchor that comes to see another file in its place is
no anchor any more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from itertools import islice

from tracer.observe import rootfs
from tracer.observe.root_requests import read_directly
from tracer.observe.roots import Root, RootReader, changed_files, watch_paths
from tracer.resolvconf.view import FEW_ANCHORS, HOST, View

_BATCH = 64


class ViewReader:
    """Reads views through their anchors."""

    def __init__(
        self, proc: str, host_pid: int, root_number: Callable[[int], int | None], root_reader: RootReader
    ) -> None:
        """``host_pid`` is whose view is the host's: it is trusted to have files that answer.

        ``root_number`` gives a living process's root as the lineage numbers it. ``root_reader`` reads what others see.
        """
        self._proc = proc
        self._host_pid = host_pid
        self._root_number = root_number
        self._root_reader = root_reader
        self._silent: set[str] = set()
        self._by_root: dict[int, View] = {}
        self.unreadable = 0
        """How often a view stopped responding."""

    def root(self, pid: int) -> Root:
        """Give a process's root directory."""
        return Root(self._proc, pid, read_directly if pid == self._host_pid else self._root_reader)

    # Who sees a view.

    def of_root(self, number: int) -> View | None:
        """Find the view that whoever has this root directory sees, or saw last."""
        return self._by_root.get(number)

    def note_root(self, number: int, view: View) -> None:
        """Note which view a root directory shows."""
        self._by_root[number] = view

    def note_anchor(self, view: View, pid: int, number: int) -> None:
        """Note that a living process sees a view, and by which root. Those that have exited are dropped in time."""
        view.anchors[pid] = number
        if len(view.anchors) > view.most_anchors:
            view.anchors = {
                one: root for one, root in view.anchors.items() if not root or self._root_number(one) is not None
            }
            view.most_anchors = 2 * max(len(view.anchors), FEW_ANCHORS)

    def anchors(self, view: View) -> Iterator[int]:
        """Find the processes through which a view can be read; those that see another file now are dropped."""
        for pid, number in list(view.anchors.items()):
            now = self._root_number(pid) or 0
            if now == number or self._still_sees(view, pid, now):
                yield pid
            else:
                view.anchors.pop(pid, None)

    def _still_sees(self, view: View, pid: int, number: int) -> bool:
        """Tell whether a process that has another root now sees the same file there: unshare(2) copies the mounts."""
        try:
            place = self.root(pid).place(view.path) if number else None
        except (BlockingIOError, TimeoutError):  # the refresh that follows says so too
            return True
        except OSError:
            return False
        if place is None or (place.directory, place.mounted) != (view.directory, view.mounted):
            return False
        view.anchors[pid] = number
        self._by_root.setdefault(number, view)
        return True

    def _is_anchor(self, view: View, pid: int, place: rootfs.Place) -> bool:
        """Tell whether an anchor still sees the view; one that sees something else in its place is dropped."""
        if (place.directory, place.mounted) == (view.directory, view.mounted):
            return True
        if view.id == HOST and pid == self._host_pid:  # the host's view is what that process sees
            view.move(place)
            return True
        view.anchors.pop(pid, None)
        if any(self.anchors(view)):
            return False
        # Nobody is left who sees what was there before: it is the view itself that has changed.
        view.anchors[pid] = self._root_number(pid) or 0
        view.move(place)
        return True

    def forget(self, views: Collection[View], roots: Collection[int]) -> None:
        """Keep what is known of these views and roots alone."""
        self._silent &= {view.id for view in views}
        self._by_root = {number: view for number, view in self._by_root.items() if view in views and number in roots}

    # Whether it responds.

    def is_silent(self, view: View) -> bool:
        """Whether it gave no answer when it was last read."""
        return view.id in self._silent

    def note_silent(self, view: View) -> None:
        """Note that it gave none."""
        if view.id not in self._silent:
            self._silent.add(view.id)
            self.unreadable += 1

    # Reading.

    def status(self, view: View) -> tuple[int, rootfs.FileStatus] | None:
        """Read the status of a view's file, and say through whom; None if that tells nothing now."""
        silent = False
        for pid in self.anchors(view):
            try:
                status = self.root(pid).file_status(view.path)
            except BlockingIOError:  # not now; but the process is the right one
                return None
            except TimeoutError:  # its file system is silent; another's may not be
                silent = True
                continue
            except OSError:
                view.anchors.pop(pid, None)
                continue
            self._silent.discard(view.id)
            if self._is_anchor(view, pid, status.place):
                return pid, status
        if silent:
            self.note_silent(view)
        return None

    def statuses(self, views: Collection[View]) -> Iterator[tuple[View, int, rootfs.FileStatus | None]]:
        """Read the status of the files of many views, with its lines if it is another than was known.

        Gives each with the process through which it was read; the status is None if that tells nothing now. What is
        not given has to be read by itself: nobody sees it there any more, or one of those that it was read together
        with does not respond.
        """
        for some in self._in_batches(views):
            wanted = self._first_anchors(some)
            if not wanted:
                continue
            files = [(pid, view.path, view.seen) for view, pid in wanted]
            try:
                read = changed_files(self._root_reader, self._proc, files)
            except OSError:
                continue
            for (view, pid), status in zip(wanted, read, strict=True):
                if isinstance(status, BlockingIOError):
                    yield view, pid, None
                elif isinstance(status, OSError) or not self._is_anchor(view, pid, status.place):
                    view.anchors.pop(pid, None)
                else:
                    yield view, pid, status

    def watch(self, views: Collection[View], inotify: int) -> dict[str, dict[int, set[bytes]]]:
        """Let inotify report changes of these views; gives the watches of each that can be watched, by its name."""
        watched: dict[str, dict[int, set[bytes]]] = {}
        for view in views:
            if view.id == HOST:
                watched |= self._watch_many([(view, self._host_pid)], read_directly, inotify)
        for some in self._in_batches(views):
            wanted = self._first_anchors(some)
            try:
                watched |= self._watch_many(wanted, self._root_reader, inotify)
            except OSError:  # one of them does not respond
                for one in wanted:
                    with suppress(OSError):
                        watched |= self._watch_many([one], self._root_reader, inotify)
        return watched

    def _watch_many(
        self, wanted: list[tuple[View, int]], root_reader: RootReader, inotify: int
    ) -> dict[str, dict[int, set[bytes]]]:
        if not wanted:
            return {}
        watched = watch_paths(root_reader, self._proc, inotify, [(pid, view.path) for view, pid in wanted])
        return {view.id: one for (view, _), one in zip(wanted, watched, strict=True) if not isinstance(one, OSError)}

    def _in_batches(self, views: Collection[View]) -> Iterator[list[View]]:
        """Divide what root readers are requested: views of others that respond."""
        others = [view for view in views if view.id != HOST and not self.is_silent(view)]
        for start in range(0, len(others), _BATCH):
            yield others[start : start + _BATCH]

    def _first_anchors(self, views: Collection[View]) -> list[tuple[View, int]]:
        return [(view, pid) for view in views for pid in islice(self.anchors(view), 1)]
