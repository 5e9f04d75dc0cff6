"""When the views are looked at: at once if the host's file was touched, and again and again if that cannot be known."""

from __future__ import annotations

import select
import time
from contextlib import suppress

from tracer.observe.path_watch import PathWatch
from tracer.resolvconf.view_table import ViewTable

__all__ = ["LookSchedule"]

_OFTEN_SECONDS = 0.25
"""While a change is not yet believed, or there are so many views that only some of them are looked at each time."""
_USUAL_SECONDS = 0.5
_SELDOM_SECONDS = 5.0
"""If a watch tells of all that is known to change a file: for what is not, such as a write below an overlay."""
_AT_LEAST_SECONDS = 0.05
"""Between looks, however often the file is touched."""


class LookSchedule:
    """When to call :meth:`ViewTable.look`."""

    def __init__(self, views: ViewTable, proc: str) -> None:
        """Begin with a look at once. ``proc`` is where the proc file system is mounted."""
        self._views = views
        self._proc = proc
        self._ready = select.epoll()
        self._watch: PathWatch | None = None
        self._watched_at = float("-inf")
        self._looked = self._touched = float("-inf")
        self._begin_watch()

    @property
    def descriptor(self) -> int:
        """Readable when something has happened to the host's file: call :meth:`take_touched` then."""
        return self._ready.fileno()

    def take_touched(self) -> None:
        """Take what has happened; a look follows if the host's file may have changed."""
        if self._watch is not None and self._watch.has_changed():
            self._touched = time.monotonic()
            try:
                self._watch.follow_path()
            except OSError:
                self._end_watch()

    def note_look(self) -> None:
        """Note that the views have been looked at."""
        self._looked = time.monotonic()
        if self._watch is None and self._looked - self._watched_at >= _SELDOM_SECONDS:
            self._begin_watch()

    @property
    def seconds_left(self) -> float:
        """How many seconds are left until the next look; none or less if it is due."""
        seconds = _AT_LEAST_SECONDS if self._touched > self._looked else self._seconds_between()
        return self._looked + seconds - time.monotonic()

    def close(self) -> None:
        """Watch no more."""
        self._end_watch()
        self._ready.close()

    def _seconds_between(self) -> float:
        if self._views.needs_looks_often:
            return _OFTEN_SECONDS
        if self._watch is None or self._views.others_are_seen:
            return _USUAL_SECONDS
        return _SELDOM_SECONDS

    def _begin_watch(self) -> None:
        self._watched_at = time.monotonic()
        with suppress(OSError):
            self._watch = PathWatch(self._proc, self._views.host_pid, self._views.host.path)
            for descriptor in self._watch.descriptors:
                self._ready.register(descriptor, select.EPOLLIN)

    def _end_watch(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None
