"""Writing the ledger down, so that the next daemon of this boot goes on with it: what changed in each tick, or all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import structlog

from tracer.clock import Clock
from tracer.kernel.losses import Lost
from tracer.kernel.records import KernelProcess
from tracer.ledger.ledger import Ledger
from tracer.ledger.saved import everything, what_changed
from tracer.ledger.store import Store
from tracer.resolvconf.history import SECOND
from tracer.resolvconf.view import View
from tracer.resolvconf.view_table import ViewTable

_SAVE_AGAIN = 10 * SECOND
_LOG = structlog.get_logger()


class Saving:
    """Brings a store up to date. A failure is reported once, and tried again."""

    def __init__(
        self,
        store: Store,
        boot_id: str,
        ledger: Ledger,
        views: ViewTable,
        living: Callable[[], Iterable[tuple[int, KernelProcess]]],
        clock: Clock,
    ) -> None:
        """``living`` gives the kernel's map of processes."""
        self._store = store
        self._boot_id = boot_id
        self._ledger = ledger
        self._views = views
        self._living = living
        self._clock = clock
        self._views_changed: list[View] = []
        self._is_begun = False
        self._has_failed = False
        self._again_at = 0

    def note_changed(self, views: Collection[View]) -> None:
        """Note that these views have a new generation."""
        self._views_changed += views

    @property
    def waits(self) -> bool:
        """Whether the next tick has to write, whatever happens in it."""
        return bool(self._views_changed) or self._has_failed or not self._is_begun

    def save_changes(self, *, counts: bool) -> None:
        """Write what has changed since the last call or, if the journal has become long, everything.

        ``counts``: what was counted outside of ticks, too. Seldom, since it may be of everybody.
        """
        views, self._views_changed = self._views_changed, []
        ledger = self._ledger
        counted = ledger.take_unsaved_counts() if counts else ()
        changed = what_changed(ledger, ledger.take_unsaved(), views, counted)
        if self._has_failed:
            if self._clock.boot() >= self._again_at:
                self.save()
            return
        try:
            if not changed.is_empty():
                self._store.append(changed)
        except OSError as error:
            self._report(error)
            return
        if not self._is_begun or self._store.journal_is_long:
            self.save()

    def save(self, *, ended: bool = False) -> None:
        """Write everything; ``ended``: this daemon is about to exit, and nothing is missing."""
        saved = everything(self._ledger, self._views.views.values(), self._living())
        try:
            self._store.save(self._boot_id, saved, ended=ended)
        except OSError as error:
            self._report(error)
        else:
            self._is_begun, self._has_failed = True, False

    def _report(self, error: OSError) -> None:
        self._ledger.lost[Lost.STATE_NOT_SAVED] += 1
        if not self._has_failed:
            _LOG.error(
                "state cannot be saved", error=error.strerror, remedy="free disk space, or flags are lost on restart"
            )
        self._has_failed = True
        self._again_at = self._clock.boot() + _SAVE_AGAIN
