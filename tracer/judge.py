"""The judge: what the verdict makes of each process, and who is flagged or in grace now.

It gathers what the verdict needs (histories, rules, thresholds, what the process did) and keeps what it says.
"""

from __future__ import annotations

from tracer import verdict
from tracer.clock import Clock
from tracer.generations import Removal
from tracer.outlooks import Outlooks
from tracer.process import Pair, Process
from tracer.rules import Policy
from tracer.snapshot import State
from tracer.verdict import Burst, Suspend

_KEPT_SUSPENDS = 16


class Judge:
    """Judges processes by the administrator's policy."""

    def __init__(self, outlooks: Outlooks, policy: Policy, clock: Clock) -> None:
        self._outlooks = outlooks
        self._clock = clock
        self.policy = policy
        self.suspends: tuple[Suspend, ...] = ()
        self.flagged: set[Process] = set()
        self.in_grace: set[Process] = set()
        """The one state that time alone ends."""

    def note_suspend(self, suspend: Suspend) -> None:
        """Note that the machine was suspended: asking current nameservers for so long clears nothing."""
        self.suspends = (*self.suspends, suspend)[-_KEPT_SUSPENDS:]

    def take_in(self, process: Process, address: str, pair: Pair, burst: Burst) -> Removal | None:
        """Add a burst to a pair's evidence; gives the removal that is in force for it, if any."""
        if process.calm and pair.evidence.removal is None:
            removal = None
        else:
            removal = verdict.removal_for(address, self._outlooks.of(process))
            process.calm = False
        thresholds = self.policy.thresholds_of(process.identity)
        pair.evidence = verdict.take_in(pair.evidence, burst, removal, thresholds)
        return removal

    def settle(self, process: Process) -> bool:
        """Bring the states of a process's pairs up to date; True where a flag went up or down.

        Afterwards it is ``calm`` where nothing that it asks was removed, or it has left that without a query later
        than the grace: then asking more of what is listed, or never was, changes no state.
        """
        before = _flags(process)
        if process.forwarder is None and process.pairs:
            self._outlooks.see_whether_forwarder(process)
        self._judge(process)
        process.calm = all(
            pair.evidence.removal is None or (pair.state is State.RETIRED and not pair.evidence.late)
            for pair in process.pairs.values()
        )
        _keep(self.in_grace, process, kept=any(pair.state is State.GRACE for pair in process.pairs.values()))
        _keep(self.flagged, process, kept=process.flagged is not None)
        return before != _flags(process)

    def _judge(self, process: Process) -> None:
        now = self._clock.boot()
        for key, pair in process.pairs.items():
            pair.ruling = self.policy.ruling(process.identity, key.address)
        thresholds = self.policy.thresholds_of(process.identity)
        outlook, conduct = self._outlooks.of(process), process.conduct(self.suspends)
        for key, pair in process.pairs.items():
            before = pair.evidence.flagged
            pair.evidence = verdict.settle(pair.evidence, key.address, outlook, conduct, thresholds, now)
            if before is None and pair.evidence.flagged is not None and self._outlooks.turns_out_forwarder(process):
                self._judge(process)
                return
            pair.state = verdict.judge(pair.evidence, key.address, outlook, conduct, thresholds, now)
            for use in pair.uses.values():
                use.align(pair.evidence.removal)

    def forget(self, process: Process) -> None:
        """Judge it no more."""
        self.flagged.discard(process)
        self.in_grace.discard(process)


def _flags(process: Process) -> list[int | None]:
    return [pair.evidence.flagged for pair in process.pairs.values()]


def _keep(among: set[Process], process: Process, *, kept: bool) -> None:
    if kept:
        among.add(process)
    else:
        among.discard(process)
