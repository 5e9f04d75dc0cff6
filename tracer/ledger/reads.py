"""What a read of resolv.conf does to the books: the reader goes on in a state of its own."""

from __future__ import annotations

from tracer.ledger.changes import Changes
from tracer.ledger.helpers import Helpers
from tracer.ledger.owners import Owners, origin_of
from tracer.ledger.process import Process
from tracer.ledger.resolver_state import ResolverState, StateTable
from tracer.observation import values as seen
from tracer.observation.lineage import Lineage
from tracer.resolvconf.view import View


class Reads:
    """Enters reads, and what shows that there was one."""

    def __init__(self, states: StateTable, owners: Owners, helpers: Helpers, changes: Changes) -> None:
        self._states = states
        self._owners = owners
        self._helpers = helpers
        self._changes = changes

    def enter(self, read: seen.FileRead) -> None:
        """Enter a read of the view's file."""
        process = self._owners.find_before(read)
        before = process.res_state
        if before.id == read.subject.res_state_id:  # it has queried since, and the state is known by that
            state = before
            read_state = state.after_read(state.id, read.at, _view_read(process, read))
            state.view, state.reads, state.first_reads = read_state.view, read_state.reads, read_state.first_reads
        else:
            state = self._states.add(before.after_read(read.subject.res_state_id, read.at, _view_read(process, read)))
            state.origin = origin_of(process) or state.origin
            self._owners.leave_state(process, state)
            if not (read.shared or before.members or before.is_shared):
                self._states.drop(before)
        process.note_flags(read.subject.flags, read.at)
        process.query_pattern.watches = None
        process.helper = None
        if process.absent and not read.absent:
            state.appeared = read.at
        process.absent = read.absent
        self._changes.note(process)
        self._helpers.note_read(process)

    def enter_undone(self, undone: seen.ReadUndone) -> None:
        """Let the number that the kernel side gave a process stand for the state that it had."""
        process = self._owners.find_before(undone)
        self._states.alias(undone.subject.res_state_id, process.res_state)

    def enter_unseen(self, process: Process, sent: seen.QueriesSent) -> None:
        """Let it go by a state of its own: while no daemon ran it read the file, as what it queries tells.

        What its workers queried since then is theirs.
        """
        saved = process.saved_pairs or {}
        for key, pair in list(process.pairs.items()):
            before = saved.get(key)
            if before is None and not pair.own_queries:
                del process.pairs[key]
            elif before is not None and pair.own_queries == before.own_queries:
                process.pairs[key] = before
        # Greater than the number that it goes on with in the kernel.
        state = ResolverState(0).after_read(Lineage.fresh_state(sent.at), sent.at - 1, process.view)
        self._owners.leave_state(process, self._states.add(state))


def _view_read(process: Process, read: seen.FileRead) -> View | None:
    """Give the view that the read counts for: of a forwarder the one it takes its upstreams from, and no other."""
    if process.upstreams is not None and read.view is not process.upstreams:
        return None
    return read.view
