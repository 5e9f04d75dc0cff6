"""The experiment of the original report, act by act: the change, the flag going up, the cure, the flag going down."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack

from exporter.demonstration import cast
from exporter.demonstration.cast import Player
from exporter.demonstration.narrator import Look, Narrator
from exporter.demonstration.observer import Observer
from exporter.demonstration.private_daemon import GRACE_SECONDS, PrivateDaemon
from exporter.demonstration.requirements import glibc, has
from exporter.demonstration.sample import Group, Sample
from exporter.demonstration.trouble import stoppable
from exporter.lab import NAME, NEW, NEW_ANSWER, OLD, OLD_ANSWER, Experiment, experiment
from exporter.report import report
from tracer.snapshot import State

# With these one lookup lasts two seconds at the most (the name as it stands, and in one domain), so that the
# grace, which is never shorter than a lookup, is that of the daemon's configuration.
_RESOLV_CONF = "nameserver {}\noptions timeout:1 attempts:1\n"
_FLAG_SECONDS = 12.0
_SECONDS = 10.0


def perform(narrator: Narrator) -> None:
    """Tell the story while it happens, and leave nothing behind, however it ends.

    Raises Trouble where the flag does not behave, Stopped for SIGINT, SIGTERM and SIGHUP, LabError and TimeoutError
    where the world cannot be made.
    """
    with stoppable() as undisturbed, ExitStack() as stack:
        narrator.say(
            "A private world, with a network and an /etc of its own. This machine's resolv.conf is not touched."
        )
        lab = stack.enter_context(experiment())
        stack.callback(undisturbed)
        lab.world.write_resolv_conf(_RESOLV_CONF.format(OLD))
        narrator.say(f"Two nameservers (dnsmasq) that answer differently for {NAME}:")
        narrator.entry(OLD, f"says {OLD_ANSWER}; resolv.conf lists this one")
        narrator.entry(NEW, f"says {NEW_ANSWER}; not listed yet")
        daemon = stack.enter_context(PrivateDaemon(lab.world))
        stack.callback(undisturbed)
        narrator.say("resolvtrace daemon is ready: its probes are in this machine's kernel.")
        _Play(narrator, lab, Observer(daemon)).play()
    narrator.say("All of it is stopped and removed.")


class _Play:
    """The acts, in their order."""

    def __init__(self, narrator: Narrator, lab: Experiment, observer: Observer) -> None:
        self._narrator = narrator
        self._lab = lab
        self._observer = observer

    def play(self) -> None:
        """Play all of them. Raises Trouble where one goes otherwise than it must."""
        self._start()
        self._change()
        up = self._flag_goes_up()
        down = self._flag_goes_down()
        self._narrator.pause()
        self._narrator.say(
            f"The flag behaved: up {up:.1f} s after the change, down {down:.1f} s after the restart, and in none of "
            f"{self._observer.samples} samples up for one of the others.",
            Look.BOLD,
        )

    def _start(self) -> None:
        """Start the processes, and see that the daemon finds nothing wrong with them."""
        world, say = self._lab.world, self._narrator
        self._frozen = cast.frozen(world)
        self._followers = [cast.healthy(world)]
        if has("nscd"):
            nscd = cast.nscd(world)
            self._observer.innocent[nscd.pid] = "nscd"
            self._followers.append(cast.through_nscd(world, nscd))
        players = [self._frozen, *self._followers]
        self._observer.innocent |= {player.pid: player.name for player in players}
        say.pause()
        say.say(f"They look {NAME} up again and again, by getaddrinfo() of glibc {glibc()}:")
        width = max(len(player.name) for player in players)
        for player in players:
            say.entry(f"{player.name:{width}}", f"pid {player.pid}; {player.manner}")
        if not has("nscd"):
            say.add("(With nscd installed there is one more, which asks through it.)")
        for player in players:
            self._wait_for_answer(player, OLD_ANSWER)
        self._wait(
            lambda sample: all(sample.state(player.pid) == State.CURRENT for player in players),
            "resolvtrace must find every process current before the change",
        )
        say.say(f"All get {OLD_ANSWER}. resolvtrace calls them current: no flag.")

    def _change(self) -> None:
        """Change the file, and see who follows."""
        say = self._narrator
        self._lab.world.write_resolv_conf(_RESOLV_CONF.format(NEW), "rename")
        self._changed, before = say.seconds, len(self._frozen.answers)
        del self._observer.innocent[self._frozen.pid]
        say.pause()
        say.say(f"resolv.conf now lists {NEW}, and no longer {OLD}.", Look.BOLD)
        for player in self._followers:
            self._wait_for_answer(player, NEW_ANSWER)
            say.say(f"{player.name} gets {NEW_ANSWER}: {player.cause}.")
        self._wait(lambda _: len(self._frozen.answers) > before + 1, "frozen must go on getting answers")
        say.say(f"frozen gets {self._frozen.answers[-1]} as before: {self._frozen.cause}.")
        say.add(
            "It might be at the end of a lookup that began before the change. So the flag waits: "
            f"{GRACE_SECONDS} s (15 s where not configured), and for two queries later than that."
        )

    def _flag_goes_up(self) -> float:
        """See the flag go up in both places, and return how many seconds after the change that was."""
        pid = self._frozen.pid
        sample = self._wait(
            lambda sample: sample.state(pid) == State.STALE,
            f"frozen (pid {pid}) asks {OLD} after the change and must be flagged",
            _FLAG_SECONDS,
        )
        up = self._narrator.seconds - self._changed
        self._see_that_it_is_right(sample)
        self._narrator.pause()
        self._narrator.say(f"THE FLAG IS UP: frozen (pid {pid}) is stale, {up:.1f} s after the change.", Look.ALARM)
        self._show_metrics(sample, sample.groups(pid))
        self._narrator.pause()
        self._narrator.add("What `resolvtrace check --all` says, of this private world alone:")
        ours = sample.as_one_host({pid, *self._observer.innocent})
        self._narrator.show(report(ours, self._narrator.room, everything=True).splitlines())
        return up

    def _see_that_it_is_right(self, sample: Sample) -> None:
        """See what only shows when the flag is up. Raises Trouble."""
        waited = sample.seconds_to_flag(self._frozen.pid) or 0.0
        if waited < GRACE_SECONDS:
            raise self._observer.trouble(f"the flag must wait {GRACE_SECONDS} s, and was up after {waited:.3f} s")
        if set(self._frozen.answers) != {OLD_ANSWER}:
            raise self._observer.trouble(f"frozen must get {OLD_ANSWER} alone, and got {set(self._frozen.answers)}")
        for player in self._followers:
            if not player.has(NEW_ANSWER):
                raise self._observer.trouble(f"{player.name} must stay with {NEW_ANSWER}, and got {player.answers[-1]}")

    def _flag_goes_down(self) -> float:
        """Restart the process, see the flag go down, and return how many seconds that took."""
        say, pid = self._narrator, self._frozen.pid
        groups = self._observer.look().groups(pid)
        self._frozen.program.stop()
        restarted = say.seconds
        self._frozen = cast.frozen(self._lab.world)
        self._observer.innocent[self._frozen.pid] = self._frozen.name
        say.say(f"The cure: frozen is restarted; pid {pid} has ended, pid {self._frozen.pid} begins.", Look.BOLD)
        self._wait_for_answer(self._frozen, NEW_ANSWER)
        say.say(f"frozen gets {NEW_ANSWER}: it read the file when it started.")
        sample = self._wait(
            lambda sample: sample.row(pid) is None and sample.state(self._frozen.pid) == State.CURRENT,
            f"with frozen (pid {pid}) gone the flag must go down, and its heir (pid {self._frozen.pid}) be current",
        )
        down = say.seconds - restarted
        say.pause()
        say.say(f"THE FLAG IS DOWN: frozen (pid {self._frozen.pid}) is current.", Look.RELIEF)
        self._show_metrics(sample, groups)
        return down

    def _show_metrics(self, sample: Sample, groups: Iterable[Group]) -> None:
        """Show the flag's series, those of ``groups``, as /metrics has them."""
        said = [f"resolvtrace_stale_processes {sample.flagged:g}"]
        for group in groups:
            labels = ", ".join(f'{name}="{value}"' for name, value in group if value)
            value = sample.flag(group)
            said.append(f"resolvtrace_stale_resolver{{{labels}}} {'is gone' if value is None else f'{value:g}'}")
        for line in said:
            self._narrator.entry("/metrics", line)
        if sample.stale - {self._frozen.pid}:
            self._narrator.add("(Other processes of this machine are counted too.)")

    def _wait_for_answer(self, player: Player, answer: str) -> None:
        self._wait(lambda _: player.has(answer), f"{player.name} (pid {player.pid}) must get {answer} for {NAME}")

    def _wait(self, test: Callable[[Sample], bool], expectation: str, seconds: float = _SECONDS) -> Sample:
        """Wait for a sample that passes, while everybody lives."""

        def passes(sample: Sample) -> bool:
            for player in (self._frozen, *self._followers):
                player.check_alive()
            return test(sample)

        return self._observer.wait(passes, seconds, expectation)
