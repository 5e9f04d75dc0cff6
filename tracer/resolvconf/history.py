"""The past of one view: what its resolv.conf listed, from when to when. Plain values, no clock and no files.

Times are nanoseconds of CLOCK_BOOTTIME.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tracer.resolvconf.parser import ResolvConf

SECOND = 1_000_000_000
LONGEST_LOOKUP_SECONDS = 120
_KEPT_GENERATIONS = 64
_KEPT_REMOVALS = 256


@dataclass(frozen=True, slots=True)
class Generation:
    """One state of what a view lists.

    ``began`` is when the file came to say so, as near as its ctime and our refreshes tell; it places reads.
    ``noticed`` is when we knew, and is never earlier: judgements begin there.
    """

    number: int
    conf: ResolvConf
    began: int
    noticed: int

    def lists(self, address: str, read_generation: int | None) -> bool:
        """Whether an address is listed; what is implicit only for a process that last read this generation."""
        listed = address in self.conf.listed
        return listed and (address not in self.conf.assumed or read_generation == self.number)


@dataclass(frozen=True, slots=True)
class Removal:
    """An address that was listed left the file.

    ``generation`` is the first one without it. ``lookup_seconds``: the longest lookup that the old list allowed.
    ``slept``: nanoseconds for which the machine was suspended within the grace, when lookups stood still.
    ``implicit``: the file named nobody until then, and the address is what resolvers take instead.
    """

    noticed: int
    generation: int
    lookup_seconds: int
    slept: int = 0
    implicit: bool = False

    def deadline(self, grace_seconds: float) -> int:
        """Give the end of the grace: until then a lookup that began before the removal may still be under way."""
        seconds = max(grace_seconds, min(self.lookup_seconds, LONGEST_LOOKUP_SECONDS))
        return self.noticed + int(seconds * SECOND) + self.slept


@dataclass(frozen=True, slots=True)
class History:
    """All that is known of a view's past, bounded: the latest generations, and the latest removals by address."""

    generations: tuple[Generation, ...]
    file_changed: int
    """When the file had last changed before we first saw it: of the time before that nothing is known."""
    removals: Mapping[str, Removal] = field(default_factory=dict)

    @property
    def current(self) -> Generation:
        """The generation in force."""
        return self.generations[-1]

    def lists(self, address: str, read_generation: int | None = None) -> bool:
        """Whether it is listed now; what is implicit only for a process that last read this generation."""
        return self.current.lists(address, read_generation)

    def listed_since(self, address: str, read_generation: int | None = None) -> int | None:
        """Give when the list that names it now came to do so; None if it is not listed."""
        since = None
        for generation in reversed(self.generations):
            if not generation.lists(address, read_generation):
                break
            since = generation.began
        return since

    def removal(self, address: str, read_generation: int | None) -> Removal | None:
        """Give the removal of an address; of what was implicit only for a process that last read that generation."""
        removal = self.removals.get(address)
        if removal is None or (removal.implicit and read_generation != removal.generation - 1):
            return None
        return removal

    def listed_once(self, address: str) -> bool:
        """Whether it is listed, or was while we watched."""
        return address in self.current.conf.listed or address in self.removals

    @property
    def removed_last(self) -> tuple[str, ...]:
        """The addresses that the latest change removed."""
        number = self.current.number
        return tuple(
            address
            for address, removal in self.removals.items()
            if removal.generation == number and not removal.implicit
        )

    def generation(self, number: int) -> Generation | None:
        """Give a generation by its number; None if it is not kept any more."""
        return next((one for one in self.generations if one.number == number), None)

    def at(self, time: int) -> Generation:
        """Give the generation that a read at this time found; the oldest kept if the time lies before all."""
        for generation in reversed(self.generations):
            if generation.began <= time:
                return generation
        return self.generations[0]


def after_suspend(history: History, began: int, slept: int, grace_seconds: float) -> History:
    """Give the history after the machine slept: a grace that was running goes on where it stood still."""
    removals = {
        address: replace(removal, slept=removal.slept + slept) if removal.deadline(grace_seconds) > began else removal
        for address, removal in history.removals.items()
    }
    return replace(history, removals=removals)


def first_generation(conf: ResolvConf, now: int, file_changed: int) -> History:
    """Begin a history with what the file says when it is first seen."""
    return History((Generation(1, conf, min(file_changed, now), now),), file_changed)


def follow(history: History, conf: ResolvConf, began: int, noticed: int) -> History:
    """Give the history after the file came to say ``conf``: the same list makes no new generation."""
    current = history.current
    if (conf.nameservers, conf.also_listed) == (current.conf.nameservers, current.conf.also_listed):
        same_list = replace(current, conf=conf)
        return replace(history, generations=(*history.generations[:-1], same_list))
    generation = Generation(current.number + 1, conf, began, noticed)
    removals = {address: removal for address, removal in history.removals.items() if address not in conf.listed}
    # glibc's own come last, so that of a crowded file they are kept.
    for address in (*current.conf.also_listed, *current.conf.nameservers):
        if address not in conf.listed:
            removals[address] = Removal(
                noticed, generation.number, current.conf.lookup_seconds, implicit=address in current.conf.assumed
            )
    newest = sorted(removals.items(), key=lambda item: item[1].noticed)[-_KEPT_REMOVALS:]
    kept = (*history.generations, generation)[-_KEPT_GENERATIONS:]
    return replace(history, generations=kept, removals=dict(newest))
