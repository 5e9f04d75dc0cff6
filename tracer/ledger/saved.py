"""What of the ledger outlives a daemon, as plain values: everything that a restart must neither lose nor make up.

The facts are the ledger's own (:class:`ProcessFacts`, :class:`ResolverStateFacts`, histories, past uses), declared
there and nowhere else. Added here is what the ledger has as a reference, by number or name: a record is read before
there are views and processes to refer to. Times are nanoseconds of CLOCK_BOOTTIME of the boot ``boot_id``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tracer.identity import Identity
from tracer.kernel.records import KernelProcess, ancestor, ancestor_pid
from tracer.ledger.ledger import Ledger
from tracer.ledger.past_uses import PastUseCount, PastUseKey
from tracer.ledger.plain import shared
from tracer.ledger.process import Process, ProcessFacts, ProcessId
from tracer.ledger.resolver_state import ResolverState, ResolverStateFacts
from tracer.observation.lineage import SavedLineage, SavedProcess, SavedResolverState
from tracer.resolvconf.view import View
from tracer.resolvconf.view_table import SavedView

SCHEMA = "resolvtrace-state/4"


@dataclass(slots=True)
class StateRecord(ResolverStateFacts):
    """One resolver state. ``image``: of whoever has it; see :class:`tracer.observation.lineage.SavedResolverState`."""

    view: str | None = None
    image: bytes | None = None


@dataclass(slots=True)
class ProcessRecord(ProcessFacts):
    """One process, as it is found again: its id and image say whether it is the same.

    One without ``identity`` did nothing so far: it is kept since it has a state that others used.
    """

    id: ProcessId
    state: int
    identity: Identity | None = None
    own_view: str | None = None
    helper: tuple[int, int, int] | None = None
    """Pid, birth and resolver state of who reads the file for it."""


@dataclass(slots=True)
class Saved:
    """Everything, or what has changed since; ``left``: the processes that are kept no more."""

    views: dict[str, SavedView] = field(default_factory=dict)
    states: list[StateRecord] = field(default_factory=list)
    processes: list[ProcessRecord] = field(default_factory=list)
    past_uses: dict[PastUseKey, PastUseCount] = field(default_factory=dict)
    left: list[ProcessId] = field(default_factory=list)

    def is_empty(self) -> bool:
        """Tell whether there is nothing to be written."""
        return not (self.views or self.states or self.processes or self.past_uses or self.left)

    def lineage(self) -> SavedLineage:
        """Give what is entered into the kernel's map again."""
        tops = {
            one.state: one.line[0] if one.line else ancestor(one.id.pid, one.id.birth)
            for one in sorted(self.processes, key=lambda one: one.id.birth, reverse=True)
        }
        return SavedLineage(
            {
                one.id.pid: SavedProcess(one.id.birth, one.id.execs, one.state, one.line, one.flags, one.checked)
                for one in self.processes
            },
            {
                one.id: SavedResolverState(one.id, one.image, one.reads[-1].at if one.reads else 0, tops.get(one.id, 0))
                for one in self.states
            },
        )


def merged(parts: Iterable[Saved]) -> Saved:
    """Give what holds after a number of changes, each later than the one before."""
    views: dict[str, SavedView] = {}
    states: dict[int, StateRecord] = {}
    processes: dict[ProcessId, ProcessRecord] = {}
    past_uses: dict[PastUseKey, PastUseCount] = {}
    for part in parts:
        views |= part.views
        states |= {one.id: one for one in part.states}
        processes |= {one.id: one for one in part.processes}
        past_uses |= part.past_uses
        for left in part.left:
            processes.pop(left, None)
    return Saved(views, list(states.values()), list(processes.values()), past_uses)


def _saved_views(views: Iterable[View]) -> dict[str, SavedView]:
    return {view.id: SavedView(view.path, view.directory, view.history) for view in views}


def _state_record(state: ResolverState) -> StateRecord:
    image = next((one.identity.image for one in state.members if one.identity.image is not None), None)
    view = state.view.id if state.view else None
    return StateRecord(**shared(ResolverStateFacts, state), view=view, image=image)


def _process_record(process: Process) -> ProcessRecord:
    helper = process.helper
    return ProcessRecord(
        process.id,
        process.res_state.id,
        process.identity,
        process.own_view.id if process.own_view else None,
        (helper.pid, helper.birth, helper.res_state.id) if helper else None,
        **shared(ProcessFacts, process),
    )


def everything(ledger: Ledger, views: Iterable[View], living: Iterable[tuple[int, KernelProcess]]) -> Saved:
    """Write down all of a ledger; ``living`` is the kernel's map, for those that did nothing but share a state."""
    kept = [one for one in ledger.processes if one.ended is None]
    here = {one.id[:2] for one in kept}
    states = {state.id: state for state in ledger.states}
    entries = dict(living)
    # Of those that did nothing so far too, whoever was forked without an exec: a line is known to nobody else.
    tops = {ancestor_pid(entry.line[0]) for entry in entries.values() if entry.line}
    silent = [
        ProcessRecord(
            ProcessId(pid, entry.birth, entry.execs),
            number,
            line=entry.line,
            parent=(entry.parent_tgid, entry.parent_birth),
        )
        for pid, entry in entries.items()
        if (number := _state_number(ledger, entry, shared=bool(entry.line) or pid in tops))
        and (pid, entry.birth) not in here
    ]
    return Saved(
        _saved_views(views),
        [_state_record(state) for state in states.values()],
        [*silent, *(_process_record(one) for one in kept)],
        dict(ledger.past_uses.uses),
    )


def _state_number(ledger: Ledger, entry: KernelProcess, *, shared: bool) -> int:
    """Give the number of the state that a silent process has, 0 if nobody else can have it."""
    state = ledger.states.get(entry.res_state_id)
    return state.id if state is not None else entry.res_state_id if shared else 0


def what_changed(
    ledger: Ledger, changed: Iterable[Process], views: Iterable[View], counted: Iterable[Process] = ()
) -> Saved:
    """Write down what has changed within a tick; ``counted``: of whom nothing but counts and times has."""
    alive = [one for one in changed if one.ended is None]
    states = {state.id: state for one in alive for state in (one.res_state, one.read_state)}
    return Saved(
        _saved_views(views),
        [_state_record(state) for state in states.values()],
        [_process_record(one) for one in {*alive, *counted}],
        dict(ledger.past_uses.take_changed()),
        [one.id for one in changed if one.ended is not None],
    )
