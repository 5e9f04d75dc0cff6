"""What the previous daemon of this boot knew, taken over: a restart neither loses a flag nor raises one.

The kernel side knows already which processes share a state (:meth:`tracer.observation.lineage.Lineage.seed`). Who
exited or called exec meanwhile leaves its state now, as it would have then: its heirs go on with it.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

from tracer.identity import Identity
from tracer.kernel.records import KernelProcess, ProcessFlag
from tracer.ledger.ledger import Ledger
from tracer.ledger.plain import shared
from tracer.ledger.process import Helper, Process, ProcessFacts
from tracer.ledger.resolver_state import ResolverState, ResolverStateFacts
from tracer.ledger.saved import ProcessRecord, Saved
from tracer.observation.lineage import Lineage
from tracer.observation.machine import Machine
from tracer.observation.observer import Observer
from tracer.resolvconf.view_table import ViewTable


def is_same_process(record: ProcessRecord, entry: KernelProcess | None) -> bool:
    """Tell whether a saved process lives: neither another with its pid, nor after an exec."""
    if entry is None:
        return False
    has_read = bool(entry.flags & ProcessFlag.READ_ONCE)  # while the probes were there, and the records tell of it
    return (entry.birth, entry.execs) == record.id[1:] and (entry.res_state_id == record.state or has_read)


class Restoration:
    """Enters what was saved into a ledger that is empty."""

    def __init__(
        self, ledger: Ledger, views: ViewTable, lineage: Lineage, machine: Machine, observer: Observer
    ) -> None:
        self._ledger = ledger
        self._views = views
        self._lineage = lineage
        self._machine = machine
        self._observer = observer

    def restore(self, saved: Saved) -> None:
        """Enter everything."""
        alive: list[ProcessRecord] = []
        gone: list[ProcessRecord] = []
        for record in saved.processes:
            if record.identity is not None:
                same = is_same_process(record, self._lineage.process(record.id.pid))
                (alive if same else gone).append(record)
        for record in alive:  # whoever sees a view is needed for looking at it
            entry = self._lineage.process(record.id.pid)
            if entry is not None:
                self._machine.view(record.id.pid, entry.root, entry.parent_tgid)
        for one in saved.states:
            view = self._views.recall(one.view) if one.view else None
            self._ledger.states.add(ResolverState(**shared(ResolverStateFacts, one), view=view))
        for key, past in saved.past_uses.items():
            self._ledger.past_uses.put(key, past.queries, past.last)
        for record in sorted([*gone, *alive], key=lambda record: record.id[1:]):
            self._enter(record)
        self._ledger.restore_owners()
        for record in sorted(gone, key=lambda record: record.id.birth):
            self._observer.leave(record.id, record.state)

    def _enter(self, record: ProcessRecord) -> None:
        entry = self._lineage.process(record.id.pid)
        lives = is_same_process(record, entry)
        identity = record.identity or Identity()
        if lives and entry is not None:
            found = self._machine.identity(record.id.pid)
            identity = replace(found, exe=found.exe or identity.exe) if found.comm is not None else identity
        state = self._ledger.states.find(record.state)
        own_view = self._views.recall(record.own_view) if record.own_view else None
        process = Process(
            record.id,
            identity,
            state,
            entry.root if lives and entry is not None else 0,
            own_view,
            **shared(ProcessFacts, record),
        )
        if not lives:
            process.flags |= ProcessFlag.FORKED  # or not: its heirs are looked for
        is_shared = record.line or record.flags & ProcessFlag.FORKED
        process.saved_pairs = deepcopy(process.pairs) if is_shared else dict(process.pairs)
        if record.helper:
            pid, birth, number = record.helper
            process.helper = Helper(pid, birth, self._ledger.states.find(number))
            process.helper.res_state.is_shared = True
        process.is_saved = True
        self._ledger.processes.add(process)
        self._ledger.note_change(process)
