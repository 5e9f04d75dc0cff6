"""The tracer as a whole: load, take in what was there before, follow, judge, stop.

Everything runs in the caller's thread. The caller waits for what happens (records, time) and says so here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from tracer.cgroups import CgroupPaths
from tracer.clock import Clock
from tracer.errors import ResolvtraceError
from tracer.generations import SECOND
from tracer.helpers import Helpers
from tracer.kernel import probes as kernel_probes
from tracer.kernel.programs import REQUIRED, Capacities
from tracer.ledger import Ledger
from tracer.lineage import Former, Lineage
from tracer.losses import Lost, none_lost
from tracer.machine import Machine, cgroup_root
from tracer.pods import DEFAULT_DIRECTORY, Pods
from tracer.privileges import drop_privileges, require_first_pid_namespace, require_own_proc, require_privileges
from tracer.process import Process
from tracer.procfs import Procfs
from tracer.rules import Policy
from tracer.snapshot import Snapshot
from tracer.snapshots import Snapshots
from tracer.store import SavedProcess, SavedState, Store, saved_process
from tracer.verdict import Suspend
from tracer.view import View
from tracer.views import HOST, SavedView, ViewTable

_SAVE_EVERY = 10 * SECOND
_SAVE_SHARE = 100
_TIDY_EVERY = 30 * SECOND
_NSCD_EVERY = 3 * SECOND
_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Settings:
    """What the tracer can be told."""

    state_dir: Path = Path("/var/lib/resolvtrace")
    policy: Policy = field(default_factory=Policy)
    capacities: Capacities = field(default_factory=Capacities)
    strict: bool = False
    pod_logs_dir: str = DEFAULT_DIRECTORY


class Tracer:
    """One tracer on one machine."""

    def __init__(
        self,
        settings: Settings,
        helpers: Helpers,
        clock: Clock | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Begin to load the probes; raises ResolvtraceError. Finish with :meth:`start`.

        ``stopped`` is asked while it waits for the loader, and ends the waiting with StoppedError. The helpers stay
        the caller's, to be closed after this is.
        """
        require_own_proc()
        require_privileges()
        require_first_pid_namespace()
        self._settings = settings
        self._clock = clock or Clock()
        self._procfs = Procfs(pods=Pods(settings.pod_logs_dir))
        self._boot_id = self._procfs.boot_id()
        self._store = Store(settings.state_dir)
        self._lookouts = helpers.lookouts
        self._probes = kernel_probes.Probes(helpers.loader, settings.capacities, stopped)
        self._save_next = self._tidied = self._asked_nscd = self._clock.boot()
        self._latest: Snapshot | None = None
        self._save_failed = False
        self._following = False
        self._suspended = self._clock.suspended()

    def start(self) -> int:
        """Take in what was there before and follow from now on. Raises ResolvtraceError and StoppedError.

        Gives a descriptor that is readable when there are records to :meth:`consume`.
        """
        self._probes.wait_until_loaded()
        self._refuse_missing_probes()
        loaded = self._store.load(self._boot_id)
        if loaded.problem:
            _LOG.warning("state not used", problem=loaded.problem)
        state = loaded.state
        self.lineage = Lineage(self._probes)
        self.lineage.seed(self._procfs, {one.pid: _former(one) for one in state.processes}, self._clock.boot())
        survivors = [one for one in state.processes if self._survived(one)]
        survived = frozenset({HOST, *(one.view for one in survivors if one.view)})
        self.views = ViewTable(
            self._procfs, self._clock, self.lineage.root_number, dict(state.views), survived, self._lookouts
        )
        cgroups = CgroupPaths(cgroup_root())
        lost = none_lost()
        machine = Machine(
            self._procfs, self.lineage, self.views, self._probes, cgroups, self._clock, lost, self._lookouts
        )
        self.ledger = Ledger(self.lineage, machine, self._clock, self._settings.policy, self.views.host, lost)
        self.views.in_use = self.ledger.views_in_use
        self._restore(state, survivors)
        self._snapshots = Snapshots(self.ledger, self.views, self._probes, self._clock)
        readable = self._probes.listen(self.ledger.record)
        self._probes.start_counting()
        self._following = True
        self.consume()
        self._tidy()
        return readable

    def _refuse_missing_probes(self) -> None:
        missing = self._probes.missing
        for name, why in missing.items():
            _LOG.warning("probe not attached", probe=name, why=why)
        fatal = sorted(set(missing) if self._settings.strict else set(missing) & REQUIRED)
        if fatal:
            raise ResolvtraceError(
                f"probe {fatal[0]} cannot be attached ({missing[fatal[0]]})",
                "leave --strict away to go on without it" if fatal[0] not in REQUIRED else "see resolvtrace doctor",
            )

    def _survived(self, saved: SavedProcess) -> bool:
        """Whether the process is the same as when it was saved: neither another with its pid, nor after an exec."""
        entry = self.lineage.process(saved.pid)
        image = self._procfs.image(saved.pid)
        return entry is not None and entry.birth == saved.start and (image.hex() if image else None) == saved.image

    def _restore(self, state: SavedState, survivors: list[SavedProcess]) -> None:
        for key, use in state.departed.items():
            self.ledger.departed.put(key, use.queries, use.last)
        for saved in survivors:
            entry = self.lineage.process(saved.pid)
            if entry is not None:
                self._restore_process(self.ledger.keep(saved.pid, entry), saved)
        for process in list(self.ledger.processes.values()):
            self.ledger.settle(process)

    def _restore_process(self, process: Process, saved: SavedProcess) -> None:
        process.flags = saved.flags
        process.note_reads(saved.reads)
        process.checked, process.answered = saved.checked, saved.answered
        process.workers_seen, process.pairs = saved.workers_seen, saved.pairs
        view = self.views.recall(saved.view) if saved.view else None
        if view is not None:
            process.view = view
            process.read_view = view if saved.reads else None

    def drop_privileges(self) -> bool:
        """Give up what only loading needed; False where this kernel wants it for reading maps too.

        Call it before any thread is started.
        """
        return drop_privileges(self._probes.readable)

    def set_policy(self, policy: Policy) -> None:
        """Judge by other thresholds and rules from now on."""
        self.ledger.policy = policy

    def consume(self) -> None:
        """Take in the records that are there."""
        self._probes.consume()

    def look(self) -> None:
        """Look at the views' files: several times a second."""
        self._wake()
        for view in self.views.look():
            self._report_change(view)
            self.ledger.view_changed(view)

    def _wake(self) -> None:
        """Take note that the machine was suspended."""
        slept = self._clock.suspended() - self._suspended
        if slept < SECOND:
            return
        self._suspended += slept
        _LOG.info("the machine was suspended", seconds=slept // SECOND)
        suspend = Suspend(self._clock.boot() - slept, slept)
        self.views.after_suspend(*suspend, self.ledger.policy.longest_grace)
        self.ledger.note_suspend(suspend)

    def _report_change(self, view: View) -> None:
        current = view.history.current
        _LOG.info(
            "resolv.conf changed", view=view.id, generation=current.number, nameservers=list(current.conf.nameservers)
        )

    def turn(self) -> None:
        """Begin a tick: what is asked from now on counts for the next one."""
        self._probes.turn()

    @staticmethod
    def wait_for_programs() -> None:
        """Wait until no program counts for the tick that :meth:`turn` ended: some milliseconds, in any thread."""
        kernel_probes.wait_for_programs()

    def tick(self) -> None:
        """End the tick: take its queries in, judge, save. Costs in proportion to what changed."""
        self._wake()
        self.consume()
        before = set(self.ledger.flagged)
        self.ledger.tick(self._probes.take_queries())
        self._latest = self._snapshots.make()
        for process in self.ledger.flagged - before:
            if not process.is_worker:
                _LOG.warning("stale resolver", pid=process.pid, comm=process.identity.comm, unit=process.identity.unit)
        now = self._clock.boot()
        if now - self._asked_nscd >= _NSCD_EVERY:
            self._asked_nscd = now
            self.ledger.take_in_nscd_clients()
        if now - self._tidied >= _TIDY_EVERY:
            self._tidied = now
            self._tidy()
        if self.ledger.unsaved or now >= self._save_next:
            self.save()

    def snapshot(self) -> Snapshot:
        """Say what was true at the end of the last tick: one and the same for all who ask until the next.

        Between two ticks reads are known already and queries not yet, so it is not made then.
        """
        if self._latest is None:
            raise RuntimeError("no tick has ended yet")
        return self._latest

    @property
    def stale(self) -> int:
        """How many processes are flagged, owners and processes of their own."""
        return sum(not process.is_worker for process in self.ledger.flagged)

    @property
    def tracked(self) -> int:
        """How many processes are tracked."""
        return len(self.ledger.tracked)

    def _tidy(self) -> None:
        entries = list(self._probes.all_processes())
        self.views.forget_unused({entry.root for _, entry in entries})

    def save(self) -> None:
        """Write the state down; a failure is said once, and tried again. It takes one hundredth of the time at most."""
        begun = self._clock.boot()
        processes = [saved for one in self.ledger.processes.values() if (saved := saved_process(one))]
        views = {name: SavedView(view.path, view.directory, view.history) for name, view in self.views.views.items()}
        try:
            self._store.save(SavedState(self._boot_id, views, processes, dict(self.ledger.departed.uses)))
            self.ledger.unsaved = self._save_failed = False
        except OSError as error:
            self.ledger.lost[Lost.STATE_NOT_SAVED] += 1
            if not self._save_failed:
                _LOG.error("state cannot be saved", error=error.strerror, remedy="a restart would forget; free room")
            self._save_failed = True
            self.ledger.unsaved = False
        now = self._clock.boot()
        self._save_next = now + max(_SAVE_EVERY, _SAVE_SHARE * (now - begun))

    def close(self) -> None:
        """Save, and detach everything; also where :meth:`start` did not come to its end."""
        if self._following:
            self.save()
        self._probes.close()


def _former(saved: SavedProcess) -> Former:
    image = bytes.fromhex(saved.image) if saved.image else None
    return Former(
        saved.start,
        saved.execs,
        image,
        saved.owns_state,
        saved.flags,
        max((read.at for read in saved.reads), default=0),
    )
