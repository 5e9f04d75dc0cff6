"""What of the ledger outlives a daemon, as plain values: everything that a restart must neither lose nor make up.

Times are nanoseconds of CLOCK_BOOTTIME of the boot ``boot_id``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tracer.identity import Identity
from tracer.kernel.records import KernelProcess, ancestor, ancestor_pid
from tracer.ledger.ledger import Ledger
from tracer.ledger.past_uses import PastUseKey
from tracer.ledger.process import LookupKinds, Pair, PairKey, Process, ProcessId, Use
from tracer.ledger.resolver_state import Origin, Read, ResolverState
from tracer.lookups import Transport
from tracer.observation.lineage import SavedLineage, SavedProcess, SavedResolverState
from tracer.observe import rootfs
from tracer.resolvconf.history import Generation, History, Removal
from tracer.resolvconf.view import View
from tracer.resolvconf.view_table import SavedView
from tracer.verdict.answers import Answering
from tracer.verdict.following import Asking
from tracer.verdict.states import State
from tracer.verdict.verdict import Evidence, FirstRead

SCHEMA = "resolvtrace-state/2"


@dataclass(frozen=True, slots=True)
class ViewRecord:
    """One view and its history."""

    id: str
    path: str
    directory: rootfs.Identity
    file_changed: int
    generations: tuple[Generation, ...]
    removals: dict[str, Removal]


@dataclass(frozen=True, slots=True)
class StateRecord:
    """One resolver state. ``image``: of whoever has it; see :class:`tracer.observation.lineage.SavedResolverState`."""

    id: int
    view: str | None
    reads: tuple[Read, ...]
    first_reads: tuple[FirstRead, ...]
    origin: Origin | None
    image: bytes | None
    appeared: int | None = None


@dataclass(frozen=True, slots=True)
class UseRecord:
    """What a pair carries over one port and transport."""

    port: int
    transport: Transport
    use: Use


@dataclass(frozen=True, slots=True)
class PairRecord:
    """One pair of a process."""

    address: str
    netns: int
    state: State
    evidence: Evidence
    uses: tuple[UseRecord, ...]
    answering: Answering = field(default_factory=Answering)


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """One process, as it is found again: pid, birth and image say whether it is the same.

    One without ``identity`` did nothing so far: it is kept since it has a state that others used.
    """

    pid: int
    birth: int
    execs: int
    state: int
    line: tuple[int, ...] = ()
    parent: tuple[int, ...] = (0, 0)
    identity: Identity | None = None
    own_view: str | None = None
    flags: int = 0
    checked: int = 0
    answered: int = 0
    asks_nscd: bool = False
    absent: str = ""
    workers_seen: int = 0
    lookups: LookupKinds = field(default_factory=LookupKinds)
    pairs: tuple[PairRecord, ...] = ()
    helper: tuple[int, ...] = ()
    """Pid, birth and resolver state of who reads the file for it."""
    asking: Asking = field(default_factory=Asking)


@dataclass(frozen=True, slots=True)
class PastUseRecord:
    """What processes that have exited queried."""

    key: PastUseKey
    queries: int
    last: int


@dataclass(slots=True)
class Saved:
    """Everything, or what has changed since; ``left``: the processes that are kept no more."""

    views: list[ViewRecord] = field(default_factory=list)
    states: list[StateRecord] = field(default_factory=list)
    processes: list[ProcessRecord] = field(default_factory=list)
    past_uses: list[PastUseRecord] = field(default_factory=list)
    left: list[ProcessId] = field(default_factory=list)

    def is_empty(self) -> bool:
        """Tell whether there is nothing to be written."""
        return not (self.views or self.states or self.processes or self.past_uses or self.left)

    def lineage(self) -> SavedLineage:
        """Give what is entered into the kernel's map again."""
        tops = {
            one.state: one.line[0] if one.line else ancestor(one.pid, one.birth)
            for one in sorted(self.processes, key=lambda one: one.birth, reverse=True)
        }
        return SavedLineage(
            {
                one.pid: SavedProcess(one.birth, one.execs, one.state, one.line, one.flags, one.checked)
                for one in self.processes
            },
            {
                one.id: SavedResolverState(one.id, one.image, one.reads[-1].at if one.reads else 0, tops.get(one.id, 0))
                for one in self.states
            },
        )


def merged(parts: Iterable[Saved]) -> Saved:
    """Give what holds after a number of changes, each later than the one before."""
    views: dict[str, ViewRecord] = {}
    states: dict[int, StateRecord] = {}
    processes: dict[tuple[int, ...], ProcessRecord] = {}
    past_uses: dict[PastUseKey, PastUseRecord] = {}
    for part in parts:
        views |= {one.id: one for one in part.views}
        states |= {one.id: one for one in part.states}
        processes |= {(one.pid, one.birth, one.execs): one for one in part.processes}
        past_uses |= {one.key: one for one in part.past_uses}
        for left in part.left:
            processes.pop(left, None)
    return Saved(list(views.values()), list(states.values()), list(processes.values()), list(past_uses.values()))


def view_record(view: View) -> ViewRecord:
    """Write down one view."""
    history = view.history
    return ViewRecord(
        view.id, view.path, view.directory, history.file_changed, history.generations, dict(history.removals)
    )


def saved_view(record: ViewRecord) -> SavedView:
    """Read one view. Raises ValueError."""
    if not record.generations:
        raise ValueError("a view without a generation")
    history = History(record.generations, record.file_changed, record.removals)
    return SavedView(record.path, record.directory, history)


def state_record(state: ResolverState) -> StateRecord:
    """Write down one resolver state."""
    image = next((one.identity.image for one in state.members if one.identity.image is not None), None)
    view = state.view.id if state.view else None
    return StateRecord(state.id, view, state.reads, state.first_reads, state.origin, image, state.appeared)


def process_record(process: Process) -> ProcessRecord:
    """Write down one process."""
    return ProcessRecord(
        *process.id,
        process.res_state.id,
        process.line,
        process.parent,
        process.identity,
        process.own_view.id if process.own_view else None,
        process.flags,
        process.checked,
        process.answered,
        process.asks_nscd,
        process.absent,
        process.workers_seen,
        process.lookups,
        tuple(
            PairRecord(
                key.address,
                key.netns,
                pair.state,
                pair.evidence,
                tuple(UseRecord(port, transport, use) for (port, transport), use in pair.uses.items()),
                pair.answering,
            )
            for key, pair in process.pairs.items()
        ),
        (process.helper.pid, process.helper.birth, process.helper.res_state.id) if process.helper else (),
        process.asking,
    )


def pairs_of(record: ProcessRecord) -> dict[PairKey, Pair]:
    """Read a process's pairs."""
    return {
        PairKey(one.address, one.netns): Pair(
            one.evidence,
            {(use.port, use.transport): use.use for use in one.uses},
            one.state,
            answering=one.answering,
        )
        for one in record.pairs
    }


def everything(ledger: Ledger, views: Iterable[View], living: Iterable[tuple[int, KernelProcess]]) -> Saved:
    """Write down all of a ledger; ``living`` is the kernel's map, for those that did nothing but share a state."""
    kept = [one for one in ledger.processes if one.ended is None]
    here = {one.id[:2] for one in kept}
    states = {state.id: state for state in ledger.states}
    entries = dict(living)
    # Of those that did nothing so far too, whoever was forked without an exec: a line is known to nobody else.
    tops = {ancestor_pid(entry.line[0]) for entry in entries.values() if entry.line}
    silent = [
        ProcessRecord(pid, entry.birth, entry.execs, number, entry.line, (entry.parent_tgid, entry.parent_birth))
        for pid, entry in entries.items()
        if (number := _state_number(ledger, entry, shared=bool(entry.line) or pid in tops))
        and (pid, entry.birth) not in here
    ]
    return Saved(
        [view_record(view) for view in views],
        [state_record(state) for state in states.values()],
        [*silent, *(process_record(one) for one in kept)],
        [PastUseRecord(key, use.queries, use.last) for key, use in ledger.past_uses.uses.items()],
    )


def _state_number(ledger: Ledger, entry: KernelProcess, *, shared: bool) -> int:
    """Give the number of the state that a silent process has, 0 if nobody else can have it."""
    state = ledger.states.get(entry.res_state_id)
    return state.id if state is not None else entry.res_state_id if shared else 0


def what_changed(ledger: Ledger, changed: Iterable[Process], views: Iterable[View]) -> Saved:
    """Write down what has changed within a tick."""
    alive = [one for one in changed if one.ended is None]
    states = {state.id: state for one in alive for state in (one.res_state, one.read_state)}
    return Saved(
        [view_record(view) for view in views],
        [state_record(state) for state in states.values()],
        [process_record(one) for one in alive],
        [PastUseRecord(key, use.queries, use.last) for key, use in ledger.past_uses.take_changed()],
        [one.id for one in changed if one.ended is not None],
    )
