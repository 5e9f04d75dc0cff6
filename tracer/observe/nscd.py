"""Which clients of nscd look names up through it.

A client that nscd answers never opens resolv.conf, and looks users and groups up by the same socket. Its memory
shows what for: nscd hands it the table that it uses, which glibc maps (:mod:`tracer.observe.maps`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator

from tracer.kernel.records import Subject

_KEPT = 256


class NscdClients:
    """Clients that may look names up: checked when the tick ends, so that one that has exited by then costs nothing."""

    def __init__(self, asks_for_names: Callable[[int], bool]) -> None:
        self._asks_for_names = asks_for_names
        self._waiting: OrderedDict[tuple[int, int, int], Subject] = OrderedDict()

    def note(self, subject: Subject) -> None:
        """Note that nscd answered a process. The oldest are forgotten first."""
        self._waiting[subject.tgid, subject.birth, subject.execs] = subject
        if len(self._waiting) > _KEPT:
            self._waiting.popitem(last=False)

    def forget(self, subject: Subject) -> None:
        """Note that a process ended, or called exec."""
        self._waiting.pop((subject.tgid, subject.birth, subject.execs), None)

    @property
    def has_waiting(self) -> bool:
        """Whether there are any."""
        return bool(self._waiting)

    def take_confirmed(self) -> Iterator[Subject]:
        """Take those that turn out to look names up; the others may yet."""
        for key, subject in list(self._waiting.items()):
            if self._asks_for_names(subject.tgid):
                yield self._waiting.pop(key)
