"""The tracer as a whole: load, take in what was there before, follow, judge, stop.

Everything runs in the caller's thread. The caller waits for what happens (records, time) and says so here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from tracer.child_processes import ChildProcesses
from tracer.clock import Clock
from tracer.errors import ResolvtraceError
from tracer.kernel import probes as kernel_probes
from tracer.kernel.losses import Lost, none_lost, none_unidentified
from tracer.kernel.privileges import drop_privileges, require_first_pid_namespace, require_own_proc, require_privileges
from tracer.kernel.programs import REQUIRED, Capacities
from tracer.kernel.records import ProcessFlag
from tracer.ledger.ledger import Ledger
from tracer.ledger.process import Process
from tracer.ledger.saved import Saved
from tracer.ledger.store import Store
from tracer.ledger.sweep import Sweep
from tracer.observation.forwarders import Asker, Forwarders
from tracer.observation.lineage import Lineage
from tracer.observation.machine import Machine, cgroup_root
from tracer.observation.observer import Observer
from tracer.observation.steady import SteadyQueries
from tracer.observe.cgroups import CgroupPaths
from tracer.observe.pods import DEFAULT_DIRECTORY, Pods
from tracer.observe.procfs import Procfs
from tracer.report.commands import Commands
from tracer.report.events import AnswerChanges, Event, FlagChanges, Kind
from tracer.report.snapshot import Snapshot
from tracer.report.snapshots import Snapshots, view_snapshot
from tracer.resolvconf.history import SECOND
from tracer.resolvconf.refresh_schedule import RefreshSchedule
from tracer.resolvconf.view import HOST, View
from tracer.resolvconf.view_table import ViewTable
from tracer.restoration import Restoration, is_same_process
from tracer.saving import Saving
from tracer.verdict.rules import Policy
from tracer.verdict.verdict import Suspend

_TIDY_EVERY = 30 * SECOND
_NSCD_EVERY = 3 * SECOND
_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Settings:
    """How the tracer is configured."""

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
        children: ChildProcesses,
        clock: Clock | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Begin to load the probes; raises ResolvtraceError. Finish with :meth:`start`.

        ``stopped`` is called while it waits for the loader, and stops the waiting with StoppedError. The children stay
        the caller's, to be closed after this is.
        """
        require_own_proc()
        require_privileges()
        require_first_pid_namespace()
        self._settings = settings
        self._clock = clock or Clock()
        self._procfs = Procfs(pods=Pods(settings.pod_logs_dir))
        self._store = Store(settings.state_dir)
        self._root_readers = children.root_readers
        self._watched_paths = children.watched_paths
        self._probes = kernel_probes.Probes(children.loader, settings.capacities, stopped)
        self._tidied = self._nscd_checked = self._until = self._clock.boot()
        self._latest: Snapshot | None = None
        self._made = 0
        self._events: list[Event] = []
        self._sweep = Sweep()
        self._following = False
        self._suspended = self._clock.suspended()

    def start(self) -> int:
        """Take in what was there before and follow from now on. Raises ResolvtraceError and StoppedError.

        Gives a descriptor that is readable when there are records to :meth:`consume`.
        """
        self._probes.wait_until_loaded()
        self._refuse_missing_probes()
        boot_id = self._procfs.boot_id()
        loaded = self._store.load(boot_id)
        if loaded.problem:
            _LOG.warning("state not used", problem=loaded.problem)
        saved = loaded.saved
        lost, unidentified = none_lost(), none_unidentified()
        lost[Lost.TICK_KILLED] += loaded.killed
        self.lineage = Lineage(self._probes)
        self.lineage.seed(self._procfs, saved.lineage(), self._clock.boot())
        self.views = self._begin_views(saved)
        self.ledger = Ledger(self.views.host, self._settings.policy, lost)
        cgroups = CgroupPaths(cgroup_root())
        self._machine = Machine(
            self._procfs, self.lineage, self.views, self._probes, cgroups, self._clock, unidentified, self._root_readers
        )
        self._observer = Observer(
            self._machine,
            self.lineage,
            self._clock,
            self.ledger.processes.get,
            SteadyQueries(self._probes),
            lost,
            unidentified,
        )
        self._forwarders = Forwarders(self._procfs.root, self.views.see, self._root_readers)
        self.views.in_use = lambda: self.ledger.views_in_use(self._lives)
        Restoration(self.ledger, self.views, self.lineage, self._machine, self._observer).restore(saved)
        self._probes.follow(process.pid for process in self.ledger.processes)
        self._saving = Saving(self._store, boot_id, self.ledger, self.views, self._probes.all_processes, self._clock)
        commands = Commands(self._root_readers, self._procfs.root, self._lives)
        self.refresh_schedule = RefreshSchedule(
            self.views, self._watched_paths, self._clock.boot, mounts_are_reported=self._probes.reports_mounts
        )
        self._snapshots = Snapshots(self.ledger, self.views, self._probes, self._clock, unidentified, commands)
        self._flags = FlagChanges(self.ledger)
        self._answers = AnswerChanges(self.ledger)
        readable = self._probes.listen(self._observer.record)
        self._probes.start_counting()
        self._following = True
        self.consume()
        self._tidy()
        return readable

    def _lives(self, process: Process) -> bool:
        """Ask the kernel side, since what the records tell is entered a tick later."""
        entry = self.lineage.process(process.pid)
        return entry is not None and (entry.birth, entry.execs) == process.id[1:]

    def _begin_views(self, saved: Saved) -> ViewTable:
        read = {one.id: one.view for one in saved.states}
        alive = [one for one in saved.processes if is_same_process(one, self.lineage.process(one.id.pid))]
        views = {view for one in alive for view in (one.own_view, read.get(one.state))}
        survived = {HOST} | {view for view in views if view is not None}
        return ViewTable(
            self._procfs, self._clock, self.lineage.root_number, saved.views, frozenset(survived), self._root_readers
        )

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

    def drop_privileges(self) -> bool:
        """Give up what only loading needed; False if this kernel wants it for reading maps too.

        Call it before any thread is started.
        """
        return drop_privileges(self._probes.readable)

    def set_policy(self, policy: Policy) -> None:
        """Judge by other thresholds and rules from now on."""
        self.ledger.set_policy(policy)

    def consume(self) -> None:
        """Consume the records that are there."""
        self._consume(for_tick=False)

    def _consume(self, *, for_tick: bool) -> None:
        self._probes.consume()
        self._observer.refresh_views_read(for_tick=for_tick)
        if self._probes.take_mounted():
            self.refresh_schedule.note_mount()
        if self._machine.has_changed:
            self._apply_changes([])

    def refresh(self) -> None:
        """Refresh the views that are due by :attr:`refresh_schedule`."""
        self._wake()
        if self._probes.await_mount():
            self.refresh_schedule.note_mount()
        self._apply_changes(self.refresh_schedule.refresh())

    def _apply_changes(self, changed: list[View]) -> None:
        changed += self._machine.take_changed()
        for view in changed:
            self._report_change(view)
        if changed:
            self._latest = None
            self._saving.note_changed(changed)
            self._observer.wake([process.id for process in self.ledger.views_changed(changed)])
        self._probes.set_view_files(self._machine.view_files())

    def _wake(self) -> None:
        """Note that the machine was suspended."""
        slept = self._clock.suspended() - self._suspended
        if slept < SECOND:
            return
        self._suspended += slept
        _LOG.info("the machine was suspended", seconds=slept // SECOND)
        suspend = Suspend(self._clock.boot() - slept, slept)
        self._wake_all()
        self.views.after_suspend(*suspend, self.ledger.evaluator.policy.longest_grace)
        self.ledger.evaluator.note_suspend(suspend)

    def _wake_all(self) -> None:
        self._observer.wake([process.id for process in self.ledger.processes])

    def _report_change(self, view: View) -> None:
        wall = self._snapshots.wall
        noticed = wall(view.history.current.noticed)
        self._events.append(Event(Kind.CHANGED, noticed, view=view_snapshot(view, wall)))

    def take_events(self) -> list[Event]:
        """Give what happened since the last call, in order."""
        taken, self._events = self._events, []
        return taken

    def turn(self) -> None:
        """Begin a tick: what is queried from now on counts for the next one."""
        self._until = self._clock.boot()
        self._probes.turn()

    def wait_for_programs(self) -> None:
        """Wait until no program counts for the tick that :meth:`turn` ended: some milliseconds, in any thread."""
        self._probes.wait_for_programs()

    def has_work(self) -> bool:
        """Tell whether there is anything for a tick: else it may be left out, until the next."""
        now = self._clock.boot()
        return bool(
            self._probes.has_counted()
            or self._probes.steady.waits
            or self._observer.has_news
            or self.ledger.has_changed
            or self._saving.waits
            or (self._observer.has_nscd_clients and now - self._nscd_checked >= _NSCD_EVERY)
            or now - self._tidied >= _TIDY_EVERY
        )

    def may_rest(self) -> bool:
        """Tell whether there is nothing for ticks to do until the next refresh, or until there are records to consume.

        The first query that is counted comes as a record, too, until the next :meth:`turn`.
        """
        return not (self.has_work() or self._observer.has_nscd_clients) and self._probes.rest()

    def tick(self) -> None:
        """End the tick: observe, enter, evaluate, save. Costs in proportion to what changed."""
        self._wake()
        self._consume(for_tick=True)
        self._apply_changes([])
        self._observe_and_evaluate()
        self._latest = None
        now = self._clock.boot()
        flagged = self.ledger.evaluator.flagged
        describe, wall = self._snapshots.describe, self._snapshots.wall
        self._events += self._flags.take(flagged, now, describe, wall)
        self._events += self._answers.of_flags(flagged, wall(now), describe, wall)
        is_time_to_tidy = now - self._tidied >= _TIDY_EVERY
        if is_time_to_tidy:
            self._tidied = now
            self._tidy()
            if self._answers.may_concern_host(self.ledger.tracked, self.views.host.history.current.conf.nameservers):
                self._events += self._answers.of_host(self.snapshot())
        self._saving.save_changes(counts=is_time_to_tidy)

    def _observe_and_evaluate(self) -> None:
        """Enter what happened until the last :meth:`turn`, and bring all states up to date."""
        now = self._clock.boot()
        nscd = now - self._nscd_checked >= _NSCD_EVERY
        if nscd:
            self._nscd_checked = now
        lost = sum(self._probes.losses().values())
        gone = self._sweep.turn(self.ledger.processes, self.ledger.evaluator.flagged, lost)
        batch = self._observer.take(self._probes.take_queries(), self._until, gone, nscd=nscd)
        self.ledger.apply(batch)
        self.ledger.find_helpers()
        for process in self.ledger.perhaps_forwarders():
            read_view = process.read_state.view if process.reads else None
            asker = Asker(process.pid, process.identity, read_view, process.other_files)
            self.ledger.note_forwarding(process, self._forwarders.find(asker))
        for process in self.ledger.perhaps_frozen():
            view = process.view
            watchers = {process.pid, process.parent[0]} - {0, 1}  # of a daemon in parts often one alone watches (SSSD)
            watches = view is not None and any(self._machine.watches(pid, view) for pid in watchers)
            self.ledger.note_watching(process, watches=watches)
        self.ledger.end_tick()
        self._probes.follow(self.ledger.take_heirs())
        self._observer.wake([process.id for process in self.ledger.take_unsteady()])
        self._observer.rest(self.ledger.is_steady)

    def _count_steady(self) -> None:
        self.ledger.count_steady(self._observer.take_steady())

    def snapshot(self) -> Snapshot:
        """Say what is true: the same for all requests until the next tick, or within a second.

        It knows the queries until the last tick, of steady pairs until now; and the views as they are now.
        """
        now = self._clock.boot()
        if self._latest is None or now - self._made >= SECOND:
            self.consume()
            is_tick_over = self.ledger.complete_until == self._until
            is_all_counted = is_tick_over and not (self._probes.has_counted() or self._observer.has_news)
            self.ledger.evaluate_changed()
            self._count_steady()
            self._latest, self._made = self._snapshots.make(now if is_all_counted else self.ledger.complete_until), now
        return self._latest

    def snapshot_with_commands(self) -> Snapshot:
        """Say the same with the command line of each process, which is read when it is first needed."""
        self._latest = self._snapshots.with_commands(self.snapshot())
        return self._latest

    @property
    def stale(self) -> int:
        """How many processes are flagged, owners and processes of their own."""
        return sum(not process.is_worker for process in self.ledger.evaluator.flagged)

    @property
    def tracked(self) -> int:
        """How many processes are tracked."""
        return len(self.ledger.tracked)

    def _tidy(self) -> None:
        self._count_steady()
        entries = dict(self._probes.all_processes())
        self.views.forget_unused({entry.root for entry in entries.values()})
        self.ledger.forget_unused_states({entry.res_state_id for entry in entries.values()})
        acted = {pid for pid, entry in entries.items() if entry.flags & ProcessFlag.ACTED}
        self._probes.keep_acted(acted | {process.pid for process in self.ledger.processes})

    def close(self) -> None:
        """Detach everything, take in what was queried until then, and save; also if :meth:`start` did not finish."""
        if self._following:
            self._probes.detach()
            self._consume(for_tick=True)
            self._wake_all()
            for _ in range(2):  # both halves, whichever the programs counted in
                self.turn()
                self.wait_for_programs()
                self._observe_and_evaluate()
            self._saving.save(ended=True)
            self.refresh_schedule.close()
        self._probes.close()
        self._store.close()
