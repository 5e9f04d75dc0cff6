"""When to refresh which views: at once if inotify reports a change, and all of them after a mount anywhere.

Neither reports everything. A view on a network file system, on one in user space, or in a container that floods us
with events is refreshed twice a second. And each is refreshed once in a while whatever is reported, for what sends no
event, such as a write below an overlay.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Collection
from collections.abc import Set as AbstractSet
from contextlib import suppress

from tracer.observe.rootfs import Place
from tracer.observe.watched_paths import WatchedPaths
from tracer.resolvconf.history import SECOND
from tracer.resolvconf.view import View
from tracer.resolvconf.view_table import ViewTable

__all__ = ["RefreshSchedule"]

_SOON_SECONDS = 0.02
"""Between refreshes for reports and the like, if there was none for a time: a file is made, and then renamed."""
_ROUNDING = 0.001
_CALM_SECONDS = 1.0
"""So long."""
_OFTEN_SECONDS = 0.25
"""Between them if there is one after the other."""
_USUAL_SECONDS = 0.5
"""Between refreshes of what cannot be watched, and of all after mounts."""
_SELDOM_SECONDS = 5.0
"""Between refreshes of the host's view and of a part of the others, whatever is reported."""
_PARTS = 6
_REFUSED_SECONDS = 30.0
"""After which it is tried again to watch what could not be watched."""
_REPORTED_WITHIN = SECOND // 2
"""What is reported has happened within this time, in nanoseconds: longer than the daemon does anything else."""


class RefreshSchedule:
    """When to call :meth:`refresh`."""

    def __init__(
        self, views: ViewTable, paths: WatchedPaths, boot: Callable[[], int], *, mounts_are_reported: bool
    ) -> None:
        """Begin with a refresh of all. ``boot`` gives boot time in nanoseconds.

        ``mounts_are_reported``: whether :meth:`note_mount` is called after each mount. Without, nothing can be watched,
        since inotify does not report what is mounted over a file.
        """
        self._views = views
        self._paths = paths
        self._boot = boot
        self._can_watch = mounts_are_reported and paths.descriptor >= 0
        self._ready = select.epoll()
        self._mounts = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._ready.register(self._mounts, select.EPOLLIN)
        if self._can_watch:
            self._ready.register(paths.descriptor, select.EPOLLIN)
        self._is_listening = True
        self._is_mounted = True
        self._watched_place: dict[str, Place] = {}
        """Where each watched view is, until a change of it is reported: elsewhere others are watched."""
        self._refused: dict[str, float] = {}
        """When each was tried that could not be watched."""
        self._usual_at = self._seldom_at = self._soon_at = float("-inf")
        self._gap = _SOON_SECONDS
        self._refreshed = 0
        """When the last refresh began, by the boot clock."""
        self._part = 0

    @property
    def descriptor(self) -> int:
        """Readable when something is reported: call :meth:`take_reports` then."""
        return self._ready.fileno()

    def take_reports(self) -> None:
        """Take what is reported. Until the next refresh inotify is not listened to any more: that may be too much."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._mounts)
        if self._can_watch and self._is_listening:
            self._take_touched()

    def _take_touched(self) -> None:
        touched = self._paths.take()
        self._note_unchanged(touched.keys)
        for key in touched.keys:
            self._watched_place.pop(key, None)
        for key in touched.unwatched:
            self._refuse(key)
        self._is_mounted |= touched.lost
        self._listen(listening=False)

    def note_mount(self) -> None:
        """Note that something was mounted or unmounted somewhere: any path may lead elsewhere now."""
        self._note_unchanged(self._watched_place.keys())
        self._is_mounted = True
        os.eventfd_write(self._mounts, 1)

    @property
    def seconds_left(self) -> float:
        """How many seconds are left until the next refresh; none or less if it is due."""
        now = time.monotonic()
        due = self._seldom_at + _SELDOM_SECONDS
        seen = self._seen_views()
        if not self._is_listening or any(self._is_unwatched(view) for view in seen):
            due = min(due, self._soon_at + self._gap)
        settling = [view.settles_at for view in seen if view.settles_at is not None]
        if any(settles <= self._refreshed for settles in settling):  # the last refresh could not read it
            due = min(due, self._soon_at + _OFTEN_SECONDS)
        if later := [settles for settles in settling if settles > self._refreshed]:
            settled = now + (min(later) - self._boot()) / SECOND + _ROUNDING
            due = min(due, max(settled, self._soon_at + _SOON_SECONDS))
        if self._is_mounted or any(view.id in self._refused for view in seen):
            due = min(due, self._usual_at + _USUAL_SECONDS)
        return due - now

    def refresh(self) -> list[View]:
        """Refresh the views that are due; gives those with a new generation."""
        self._forget_gone()
        now = time.monotonic()
        self._refreshed = self._boot()
        soon = {view.id for view in self._seen_views() if self._is_unwatched(view) or self._settles(view)}
        is_soon = bool(soon) or not self._is_listening
        views = self._due(soon, now)
        self._watch([view for view in views if self._has_to_be_watched(view, now)], now)
        changed = self._views.refresh(views)
        self._note_places(views)
        self._listen(listening=True)
        if is_soon:
            self._note_soon(now)
        return changed

    def close(self) -> None:
        """Watch no more."""
        self._ready.close()
        os.close(self._mounts)

    def _note_soon(self, began: float) -> None:
        """Note that what was reported, or had to settle, is refreshed: the more there is, the later is the next."""
        is_calm = began - self._soon_at >= _CALM_SECONDS
        self._gap = _SOON_SECONDS if is_calm else min(2 * self._gap, _OFTEN_SECONDS)
        self._soon_at = time.monotonic()

    def _due(self, soon: AbstractSet[str], now: float) -> list[View]:
        views = self._views.views
        due = set(soon)
        if now >= self._usual_at + _USUAL_SECONDS:
            self._usual_at = now
            due |= views.keys() if self._is_mounted else self._refused.keys()
            self._is_mounted = False
        if now >= self._seldom_at + _SELDOM_SECONDS:
            self._seldom_at = now
            self._part += 1
            due |= {self._views.host.id, *list(views)[self._part % _PARTS :: _PARTS]}
        return [views[key] for key in views if key in due]

    def _seen_views(self) -> list[View]:
        """Give the views that a process is known to see."""
        return [view for view in self._views.views.values() if view.anchors]

    def _is_unwatched(self, view: View) -> bool:
        """Tell whether a change was reported since it was watched, or it is a new one."""
        return not (view.id in self._watched_place or view.id in self._refused)

    def _settles(self, view: View) -> bool:
        """Tell whether a change has been seen that may be believed by now."""
        return view.settles_at is not None and view.settles_at <= self._boot()

    def _has_to_be_watched(self, view: View, now: float) -> bool:
        refused = self._refused.get(view.id)
        if refused is None:
            return view.id not in self._watched_place
        return now >= refused + _REFUSED_SECONDS

    def _watch(self, views: Collection[View], now: float) -> None:
        watched = self._views.reader.watch(views, self._paths.descriptor) if self._can_watch else {}
        for view in views:
            if view.id in watched:
                self._refused.pop(view.id, None)
                self._paths.watch(view.id, watched[view.id])
            else:
                self._refuse(view.id)
                self._refused[view.id] = now

    def _refuse(self, key: str) -> None:
        self._paths.forget(key)
        self._watched_place.pop(key, None)
        self._refused.setdefault(key, time.monotonic())

    def _note_places(self, views: Collection[View]) -> None:
        """Note where the views were found. One that is elsewhere now is watched there at the next refresh."""
        for view in views:
            if self._views.reader.is_silent(view):
                self._refuse(view.id)
            elif view.id in self._views.unseen or self._watched_place.get(view.id, view.place) != view.place:
                self._watched_place.pop(view.id, None)
            elif view.id in self._paths:
                self._watched_place[view.id] = view.place

    def _note_unchanged(self, keys: AbstractSet[str]) -> None:
        """Note that these were as they were until now, but for what has just been reported."""
        if self._is_mounted:
            return
        until = self._boot() - _REPORTED_WITHIN
        for key in keys & self._watched_place.keys():
            self._views.views[key].note_unchanged(until)

    def _forget_gone(self) -> None:
        for key in [*self._watched_place, *self._refused]:
            if key not in self._views.views or not self._views.views[key].anchors:
                self._paths.forget(key)
                self._watched_place.pop(key, None)
                self._refused.pop(key, None)

    def _listen(self, *, listening: bool) -> None:
        self._is_listening = listening
        if self._can_watch:
            self._ready.modify(self._paths.descriptor, select.EPOLLIN if listening else 0)
