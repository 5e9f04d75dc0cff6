"""Which processes changed, and who has yet to hear of it: the verdict, the report, the store."""

from __future__ import annotations

from collections.abc import Collection

from tracer.ledger.process import Process


class Changes:
    """Those that changed, until each of the readers has taken them."""

    def __init__(self) -> None:
        self.in_tick: set[Process] = set()
        """Those of which something has changed since the end of the last tick."""
        self._unreported: set[Process] = set()
        self._unsaved: set[Process] = set()
        self._unsteady: list[Process] = []
        self._steady_unsaved: set[Process] = set()
        self._heirs: list[Process] = []

    def note(self, process: Process) -> None:
        """Note that more has changed than how much it queried: it has to be evaluated again."""
        process.steady = False
        self.in_tick.add(process)

    def note_count(self, process: Process) -> None:
        """Note that a count or a time has changed, or who owns its state."""
        self.in_tick.add(process)

    def note_evaluated(self, process: Process) -> None:
        """Note that its states may have changed: the next snapshot shows it."""
        self.in_tick.add(process)
        self._unreported.add(process)

    def note_steady(self, processes: Collection[Process]) -> None:
        """Note that counts have changed outside of any tick, of which more changes nothing."""
        self._unreported.update(processes)
        self._steady_unsaved.update(processes)

    def note_heirs(self, heirs: Collection[Process]) -> None:
        """Note those that began to own themselves and did nothing so far."""
        self._heirs += heirs

    def take_heirs(self) -> list[Process]:
        """Give them: their exit matters from now on."""
        taken, self._heirs = self._heirs, []
        return taken

    def end_tick(self) -> set[Process]:
        """Give those that changed within the tick, and let the others have them.

        Of those that left nothing is kept for a reader who never had them: there may be no reader for a long time.
        """
        self._unsteady += [process for process in self.in_tick if not process.steady]
        left = {process for process in self.in_tick if process.ended is not None}
        self._unreported |= self.in_tick
        self._unreported -= left
        self._unsaved |= self.in_tick
        self._unsaved -= {process for process in left if not process.is_saved}
        taken, self.in_tick = self.in_tick, set()
        return taken

    def take_unsteady(self) -> list[Process]:
        """Give those that were evaluated in this tick and are not steady."""
        taken, self._unsteady = self._unsteady, []
        return taken

    def take_unreported(self) -> set[Process]:
        """Give the living ones that changed since the last call."""
        taken, self._unreported = self._unreported, set()
        return taken

    def take_unsaved(self) -> set[Process]:
        """Give the same for the store, and those that left of which it has a record."""
        taken, self._unsaved = self._unsaved, set()
        for process in taken:
            process.is_saved = True
        return taken

    def take_unsaved_counts(self) -> set[Process]:
        """Give those, for the store, of which counts and times have changed outside of ticks: it may be everybody."""
        taken, self._steady_unsaved = self._steady_unsaved, set()
        return {process for process in taken if process.ended is None}
