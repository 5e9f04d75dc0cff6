"""Who it was: the processes that a tick's observations are about and that the ledger does not keep yet.

One is identified when it is first met, since it may have exited in a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from tracer.identity import Identity
from tracer.kernel.records import KernelProcess, Subject
from tracer.observation.lineage import Lineage
from tracer.observation.machine import Machine
from tracer.observation.values import Newcomer, Observation, ProcessKey, key_of, owner_key_of
from tracer.resolvconf.view import View


class KeptResolverState(Protocol):
    """Its resolver state."""

    @property
    def id(self) -> int:
        """Its number."""


class Kept(Protocol):
    """A process that the ledger keeps, as far as the observer needs it."""

    @property
    def id(self) -> tuple[int, int, int]:
        """Pid, birth and number of execs."""

    @property
    def identity(self) -> Identity:
        """Who it is."""

    @property
    def root(self) -> int:
        """Its root directory, as the kernel side numbers it."""

    @property
    def res_state(self) -> KeptResolverState:
        """Its resolver state."""

    @property
    def view(self) -> View | None:
        """The view that it is judged by; None if it could not be found so far."""

    @property
    def upstreams(self) -> View | None:
        """The view that a forwarder takes its nameservers from."""


class Newcomers:
    """Those that were met and not yet taken."""

    def __init__(self, machine: Machine, lineage: Lineage, kept: Callable[[ProcessKey], Kept | None]) -> None:
        """``kept`` finds a process that the ledger keeps already."""
        self._machine = machine
        self._lineage = lineage
        self.kept = kept
        self._met: dict[ProcessKey, Newcomer] = {}

    def is_known(self, key: ProcessKey) -> bool:
        """Tell whether a process is kept, or was met."""
        return key in self._met or self.kept(key) is not None

    def identified(self, subject: Subject) -> Subject:
        """Fill in when it was forked, if the kernel side did not see that and has it by now."""
        if subject.birth:
            return subject
        entry = self._lineage.process(subject.tgid)
        birth = entry.birth if entry else 0
        if subject.owner_tgid == subject.tgid:
            return subject._replace(birth=birth, owner_birth=birth)
        return subject._replace(birth=birth)

    def meet(self, subject: Subject, line: tuple[int, ...] | None = None) -> None:
        """Find out who a process is that the ledger does not keep, or what it sees from another root.

        ``line`` if it is known to have been another until now.
        """
        key = key_of(subject)
        if key in self._met:
            return
        kept = self.kept(key)
        if kept is not None and kept.root == subject.root and kept.view is not None:
            return
        identity = kept.identity if kept is not None else self._machine.identify(subject)
        view = self._machine.own_view(subject)
        self._met[key] = Newcomer(subject, identity, view, self._line(subject) if line is None else line)

    def _line(self, subject: Subject) -> tuple[int, ...]:
        entry = self._lineage.process(subject.tgid)
        is_same = entry is not None and (entry.birth, entry.res_state_id) == (subject.birth, subject.res_state_id)
        return entry.line if entry is not None and is_same else ()

    def meet_owner(self, subject: Subject, left: Mapping[ProcessKey, Subject]) -> None:
        """Do so with its owner, which lives, or is among those that ``left``."""
        key = owner_key_of(subject)
        if key == key_of(subject) or self.is_known(key):
            return
        entry = self._lineage.process(key.pid)
        if entry is not None and (entry.birth, entry.execs) == key[1:]:
            self.meet(subject_of(key.pid, entry))
            return
        if key in left:
            self.meet(left[key])

    def take(self, later: Iterable[Observation]) -> dict[ProcessKey, Newcomer]:
        """Give all; those that ``later`` observations are about stay, too."""
        taken = self._met
        self._met = {key: taken[key] for one in later if (key := key_of(one.subject)) in taken}
        return taken


def subject_of(pid: int, entry: KernelProcess) -> Subject:
    """Describe a living process by its entry in the kernel's map."""
    return Subject(
        birth=entry.birth,
        res_state_id=entry.res_state_id,
        root=entry.root,
        image=entry.image,
        parent_birth=entry.parent_birth,
        owner_birth=entry.birth,
        checked=entry.checked,
        cgroup=0,
        tgid=pid,
        execs=entry.execs,
        parent_tgid=entry.parent_tgid,
        owner_tgid=pid,
        owner_execs=entry.execs,
        uid=0,
        flags=entry.flags,
        comm=b"",
    )
