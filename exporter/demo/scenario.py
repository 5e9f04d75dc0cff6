"""The experiment of the original report, step by step: the change, the flag, the restart, no flag."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack

from exporter.demo import lookups
from exporter.demo.errors import interruptible
from exporter.demo.lab import NAME, NEW, NEW_ANSWER, OLD, OLD_ANSWER, Experiment, experiment
from exporter.demo.lookups import LookupProcess
from exporter.demo.narrator import Look, Narrator
from exporter.demo.observer import Observer
from exporter.demo.private_daemon import GRACE_SECONDS, PrivateDaemon
from exporter.demo.requirements import glibc, has
from exporter.demo.sample import Group, Sample
from exporter.text.report import report
from tracer.verdict.states import State

# With these options one lookup takes at most two seconds (the name as it is, and in one domain), so the grace period,
# which is never shorter than a lookup, is the configured one.
_RESOLV_CONF = "nameserver {}\noptions timeout:1 attempts:1\n"
_FLAG_SECONDS = 12.0
_SECONDS = 10.0


def run_demo(narrator: Narrator) -> None:
    """Run the demo, and remove everything afterwards, however it ends.

    Raises DemoError if the flag does not behave, Interrupted on SIGINT, SIGTERM and SIGHUP, LabError and TimeoutError
    if the world cannot be set up.
    """
    with interruptible() as ignore_signals, ExitStack() as stack:
        narrator.say(
            "Setting up private namespaces with their own network and /etc. This machine's resolv.conf is not touched."
        )
        lab = stack.enter_context(experiment())
        stack.callback(ignore_signals)
        lab.world.write_resolv_conf(_RESOLV_CONF.format(OLD))
        narrator.say(f"Starting two nameservers (dnsmasq) that give different answers for {NAME}:")
        narrator.entry(OLD, f"answers {OLD_ANSWER}; listed in resolv.conf")
        narrator.entry(NEW, f"answers {NEW_ANSWER}; not listed yet")
        daemon = stack.enter_context(PrivateDaemon(lab.world))
        stack.callback(ignore_signals)
        narrator.say("resolvtrace daemon is ready: its probes are attached to this kernel.")
        _Scenario(narrator, lab, Observer(daemon)).run()
    narrator.say("Everything is stopped and removed.")


class _Scenario:
    """The steps, in order."""

    def __init__(self, narrator: Narrator, lab: Experiment, observer: Observer) -> None:
        self._narrator = narrator
        self._lab = lab
        self._observer = observer

    def run(self) -> None:
        """Run all steps. Raises DemoError if one does not go as it must."""
        self._start()
        self._change()
        up = self._wait_for_the_flag()
        down = self._restart()
        self._narrator.pause()
        self._narrator.say(
            f"Success: flagged {up:.1f} s after the change, cleared {down:.1f} s after the restart, no false flag in "
            f"{self._observer.samples} samples.",
            Look.BOLD,
        )

    def _start(self) -> None:
        """Start the processes, and wait until the daemon reports them as current."""
        world, say = self._lab.world, self._narrator
        self._frozen = lookups.frozen(world)
        self._followers = [lookups.healthy(world)]
        if has("nscd"):
            nscd = lookups.nscd(world)
            self._observer.never_flagged[nscd.pid] = "nscd"
            self._followers.append(lookups.through_nscd(world, nscd))
        processes = [self._frozen, *self._followers]
        self._observer.never_flagged |= {process.pid: process.name for process in processes}
        say.pause()
        say.say(f"Starting processes that look up {NAME} repeatedly, by getaddrinfo() of glibc {glibc()}:")
        width = max(len(process.name) for process in processes)
        for process in processes:
            say.entry(f"{process.name:{width}}", f"pid {process.pid}; {process.behaviour}")
        if not has("nscd"):
            say.add("(If nscd is installed, there is one more, which uses it.)")
        for process in processes:
            self._wait_for_answer(process, OLD_ANSWER)
        self._wait(
            lambda sample: all(sample.state(process.pid) == State.CURRENT for process in processes),
            "every process must be current before the change",
        )
        say.say(f"All get {OLD_ANSWER}. resolvtrace reports all as current: no flag.")

    def _change(self) -> None:
        """Change the file, and wait until the others have followed."""
        say = self._narrator
        self._lab.world.write_resolv_conf(_RESOLV_CONF.format(NEW), "rename")
        self._changed, before = say.seconds, len(self._frozen.answers)
        del self._observer.never_flagged[self._frozen.pid]
        say.pause()
        say.say(f"resolv.conf now lists {NEW}, no longer {OLD}.", Look.BOLD)
        for process in self._followers:
            self._wait_for_answer(process, NEW_ANSWER)
            say.say(f"{process.name} gets {NEW_ANSWER}: {process.cause}.")
        self._wait(lambda _: len(self._frozen.answers) > before + 1, "frozen must still get answers")
        say.say(f"frozen still gets {self._frozen.answers[-1]}: {self._frozen.cause}.")
        say.add(
            "A lookup that began before the change may still be running, so resolvtrace waits: the grace period is "
            f"{GRACE_SECONDS} s here (15 s by default), and two queries after it raise the flag."
        )

    def _wait_for_the_flag(self) -> float:
        """Wait for the flag in check and /metrics, and return the seconds since the change."""
        pid = self._frozen.pid
        sample = self._wait(
            lambda sample: sample.state(pid) == State.STALE,
            f"frozen (pid {pid}) queries {OLD} after the change and must be flagged",
            _FLAG_SECONDS,
        )
        up = self._narrator.seconds - self._changed
        self._check_the_flag(sample)
        self._narrator.pause()
        self._narrator.say(f"THE FLAG IS UP: frozen (pid {pid}) is stale, {up:.1f} s after the change.", Look.ALARM)
        self._show_metrics(sample, sample.groups(pid))
        self._narrator.pause()
        self._narrator.add("Output of `resolvtrace check --all`, limited to these processes:")
        ours = sample.as_one_host({pid, *self._observer.never_flagged})
        self._narrator.show(report(ours, self._narrator.room, everything=True).splitlines())
        return up

    def _check_the_flag(self, sample: Sample) -> None:
        """Check what can be checked only once the flag is raised. Raises DemoError."""
        waited = sample.seconds_to_flag(self._frozen.pid) or 0.0
        if waited < GRACE_SECONDS:
            raise self._observer.error(f"the flag must wait {GRACE_SECONDS} s, and was raised after {waited:.3f} s")
        if set(self._frozen.answers) != {OLD_ANSWER}:
            raise self._observer.error(f"frozen must get only {OLD_ANSWER}, and got {set(self._frozen.answers)}")
        for process in self._followers:
            if not process.has(NEW_ANSWER):
                raise self._observer.error(f"{process.name} must still get {NEW_ANSWER}, and got {process.answers[-1]}")

    def _restart(self) -> float:
        """Restart the process, wait until the flag is cleared, and return the seconds that took."""
        say, pid = self._narrator, self._frozen.pid
        groups = self._observer.look().groups(pid)
        self._frozen.program.stop()
        restarted = say.seconds
        self._frozen = lookups.frozen(self._lab.world)
        self._observer.never_flagged[self._frozen.pid] = self._frozen.name
        say.say(f"Restarting frozen: pid {pid} has exited, pid {self._frozen.pid} started.", Look.BOLD)
        self._wait_for_answer(self._frozen, NEW_ANSWER)
        say.say(f"frozen gets {NEW_ANSWER}: it read the file when it started.")
        sample = self._wait(
            lambda sample: sample.row(pid) is None and sample.state(self._frozen.pid) == State.CURRENT,
            f"after the exit of frozen (pid {pid}) the flag must be cleared, and pid {self._frozen.pid} be current",
        )
        down = say.seconds - restarted
        say.pause()
        say.say(f"THE FLAG IS DOWN: frozen (pid {self._frozen.pid}) is current.", Look.GOOD)
        self._show_metrics(sample, groups)
        return down

    def _show_metrics(self, sample: Sample, groups: Iterable[Group]) -> None:
        """Show the flag's series, those of ``groups``, as /metrics has them."""
        lines = [f"resolvtrace_stale_processes {sample.flagged:g}"]
        for group in groups:
            labels = ", ".join(f'{name}="{value}"' for name, value in group if value)
            value = sample.flag(group)
            lines.append(f"resolvtrace_stale_resolver{{{labels}}} {'(no series)' if value is None else f'{value:g}'}")
        for line in lines:
            self._narrator.entry("/metrics", line)
        if sample.stale - {self._frozen.pid}:
            self._narrator.add("(This includes other processes of this machine.)")

    def _wait_for_answer(self, process: LookupProcess, answer: str) -> None:
        self._wait(lambda _: process.has(answer), f"{process.name} (pid {process.pid}) must get {answer} for {NAME}")

    def _wait(self, test: Callable[[Sample], bool], expectation: str, seconds: float = _SECONDS) -> Sample:
        """Wait for a sample that passes; every process must stay alive."""

        def passes(sample: Sample) -> bool:
            for process in (self._frozen, *self._followers):
                process.check_alive()
            return test(sample)

        return self._observer.wait(passes, seconds, expectation)
