"""What inotify(7) reports of the paths that are watched: which of them may lead to another file or text now."""

from __future__ import annotations

import fcntl
import os
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import NamedTuple

from tracer.libc import LIBC

__all__ = ["Touched", "WatchedPaths"]

# inotify(7), sys/inotify.h.
_IN_Q_OVERFLOW, _IN_IGNORED = 0x4000, 0x8000
_EVENT = struct.Struct("iIII")
_EVENTS_BYTES = 64 * 1024
_MOST_EVENTS = 500
"""Of one directory or file in one reading. Who touches a file without end is not watched any more."""


class Touched(NamedTuple):
    """What happened, by the keys of the paths."""

    keys: AbstractSet[str]
    """Those that may have changed."""
    unwatched: AbstractSet[str]
    """Those of them that are not watched any more, since too much happens there."""
    lost: bool
    """Whether there was more than the kernel keeps, and so any of them may have changed."""


class WatchedPaths:
    """The paths that are watched, each by a key, through one inotify descriptor that root readers share."""

    def __init__(self) -> None:
        """Watch nothing so far."""
        self.descriptor = _inotify()
        """-1 if root has as many as it may (inotify(7), max_user_instances): nothing is watched then."""
        self._watches: dict[str, AbstractSet[int]] = {}
        self._keys: dict[int, dict[str, AbstractSet[bytes]]] = {}
        """By watch: who is concerned by it, and by which names; by all if there are none."""

    def watch(self, key: str, watches: Mapping[int, AbstractSet[bytes]]) -> None:
        """Take what :func:`tracer.observe.path_watch.watch_path` has added for this key, in place of what was there."""
        former = self._watches.get(key, frozenset())
        self._watches[key] = frozenset(watches)
        for watch, names in watches.items():
            self._keys.setdefault(watch, {})[key] = names
        for watch in former - watches.keys():
            self._leave(watch, key)

    def forget(self, key: str) -> None:
        """Watch it no more."""
        for watch in self._watches.pop(key, frozenset()):
            self._leave(watch, key)

    def __contains__(self, key: str) -> bool:
        """Whether it is watched."""
        return key in self._watches

    def take(self) -> Touched:
        """Take what has happened, or the first part of it: the descriptor is still readable then."""
        keys: set[str] = set()
        lost = False
        events: Counter[int] = Counter()
        for watch, mask, name in self._events():
            lost |= bool(mask & _IN_Q_OVERFLOW)
            events[watch] += 1
            keys |= {key for key, names in self._keys.get(watch, {}).items() if not name or not names or name in names}
            if mask & _IN_IGNORED:  # the kernel has removed it, with what it was of
                self._keys.pop(watch, None)
        busy = {key for watch, number in events.items() if number > _MOST_EVENTS for key in self._keys.get(watch, {})}
        for key in busy:
            self.forget(key)
        return Touched(keys | busy, busy, lost)

    def close(self) -> None:
        """Watch nothing any more."""
        if self.descriptor >= 0:
            os.close(self.descriptor)

    def _leave(self, watch: int, key: str) -> None:
        concerned = self._keys.get(watch)
        if concerned is None:
            return
        concerned.pop(key, None)
        if not concerned:
            del self._keys[watch]
            LIBC.inotify_rm_watch(self.descriptor, watch)

    def _events(self) -> Iterator[tuple[int, int, bytes]]:
        with suppress(BlockingIOError):
            events = os.read(self.descriptor, _EVENTS_BYTES)
            at = 0
            while at < len(events):
                watch, mask, _, size = _EVENT.unpack_from(events, at)
                yield watch, mask, events[at + _EVENT.size : at + _EVENT.size + size].rstrip(b"\0")
                at += _EVENT.size + size


def _inotify() -> int:
    """Open a descriptor that is none of the standard ones, whatever the daemon was started with."""
    opened = int(LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    if opened not in {0, 1, 2}:
        return opened
    try:
        return fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(opened)
