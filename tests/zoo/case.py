"""What the zoo knows of a resolver: how to run it, and what is true of it when resolv.conf changes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

from exporter.demo.lab import NEW, OLD, Program, World
from tests.support.tracing import SHORT

Start = Callable[[World, str], Program]
Cure = Callable[[World, Program], Program]
Truth = Literal["old", "new", "both", "nobody"]
"""Whom its queries reach after the grace, by the nameservers' own logs."""


def nothing(_world: World) -> None:
    """Prepare nothing."""


def move_over(world: World, text: str) -> None:
    """Change resolv.conf as most managers do: a new file is moved over it."""
    world.write_resolv_conf(text)


@dataclass(frozen=True)
class Site:
    """A world that cases may share: what its resolv.conf says before and after, and what else is in it.

    ``addresses`` are those of the world beyond OLD and NEW. ``prepare`` runs before the cases start.
    ``change`` is for another way of changing the file than moving a new one over it. ``is_host``: the daemon takes
    it for the host, whose PID 1 lives there; of a round only one may be. ``surround`` is entered first and left last.
    ``between`` are lists that the file goes through on its way, each until resolvtrace has noticed it.
    """

    name: str
    before: str = f"nameserver {OLD}\n{SHORT}"
    between: tuple[str, ...] = ()
    after: str = f"nameserver {NEW}\n{SHORT}"
    addresses: tuple[str, ...] = ()
    prepare: Callable[[World], None] = nothing
    change: Callable[[World, str], None] = move_over
    is_host: bool = False
    surround: Callable[[], AbstractContextManager[object]] = nullcontext


COMMON = Site("common")


@dataclass(frozen=True)
class Expected:
    """What resolvtrace must say in the end: of the process that matters, the worst of the case's.

    ``reason`` and ``advice`` are regular expressions that must be found in the sentences; of ``path`` there may be
    several, with a bar between.
    """

    state: str
    path: str
    reason: str
    advice: str


ONCE = r"; it has not re-read the file since generation 1$"
RESTART_ALONE = r"^restart \S+ \(pid \d+\)$"
RELOAD_BY_HAND = r"^reload (\S+) \(pid (\d+)\): kill -HUP \2$"
MINUTE = r"(59|6[0-2]) s"


LOOKS_EACH_MINUTE = Expected(
    "stale",
    "direct",
    rf"it checks the file every {MINUTE} and will recover by itself$",
    rf"^wait {MINUTE}: it follows by itself within {MINUTE}; or restart \S+ \(pid \d+\)$",
)
EARLY_SECONDS = 65.0
"""Longer than the minute after which it looks again."""


@dataclass(frozen=True)
class Case:
    """One resolver in one configuration.

    ``start`` runs it in a world so that it looks the given name up (or names below it: each case has a domain of its
    own, which is how the nameservers' logs tell cases apart) at least four times a second, for ever; what it forks
    belongs to it. ``queried`` is the truth after the grace. ``comm`` narrows the processes of the case
    down to those of that name. ``cured``: whether stopping it and starting it again, which is tried for every
    stale one, makes it query the new one alone; ``cure`` does it in another way, and gives the program that is there
    then. It comes to its final state within ``final_seconds``, and runs ``early`` seconds before the change. ``born``
    is after how many of the site's changes it starts. ``zone`` is what it looks names up in if that is not a domain
    of hat.com. Who is not
    ``tracked`` needs to have no row; one that shows is current. ``reads`` is how often it has been seen to read the
    file before the first change. ``meanwhile`` is what must be said of it for a time before ``expected`` holds.
    ``absent`` says why this release of Debian cannot play it, if it cannot.
    """

    name: str
    start: Start
    queried: Truth
    expected: Expected
    site: Site = COMMON
    comm: str | None = None
    cured: bool = True
    final_seconds: float = 15.0
    early: float = 0.0
    tracked: bool = True
    cure: Cure | None = None
    born: int = 0
    zone: str | None = None
    reads: int = 0
    meanwhile: Expected | None = None
    absent: str = ""

    @property
    def recovers(self) -> bool:
        """Whether its recovery is tried."""
        return self.cure is not None or (self.expected.state == "stale" and self.cured)

    @property
    def domain(self) -> str:
        """The name that it looks up."""
        return self.zone or f"{self.name}.hat.com"
