"""Runs all rows at once, below one daemon, and gives what came of each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exporter.demo.lab import wait_until
from tests.scorecard import network
from tests.scorecard.attempt import Attempt
from tests.scorecard.row import Filled, Row, filled, own_addresses
from tests.support.lab_cgroups import Cgroups
from tests.support.tracing import daemon

_LOGGED_SECONDS = 5.0

Process = dict[str, Any]
SavedUses = list[tuple[list[Any], dict[str, Any]]]
"""Past uses as the state file has them: unit, exe, view and nameserver of each, and what was counted."""


@dataclass(frozen=True)
class Seen:
    """What came of one row: what nameservers received, and what `check --json` says of its process and of the other.

    ``views`` are the nameservers of each view. ``past_uses`` is what the daemon keeps of the row's program if that has
    exited: how many queries, to whom. ``strangers`` are others that are shown with the row's addresses.
    ``lost`` is how many segments, of all rows, the daemon says that it could not attribute.
    """

    fill: Filled
    problem: str
    received: int = 0
    pid: int = 0
    other_pid: int = 0
    process: Process | None = None
    other: Process | None = None
    views: dict[str, list[str]] = field(default_factory=dict)
    past_uses: tuple[tuple[int, str], ...] = ()
    strangers: tuple[str, ...] = ()
    lost: int = 0


@dataclass(frozen=True)
class Outcome:
    """What came of all rows, by their names, and the version of bcc that it was with."""

    rows: dict[str, Seen]
    bcc: str


def run(rows: Iterable[Row], directory: Path) -> Outcome:
    """Run all rows; those whose sockets are to be older than the daemon begin before it."""
    attempts = [Attempt(row, filled(number, directory)) for number, row in enumerate(rows, 1)]
    addresses: dict[str, list[str]] = {"home": [], "far": []}
    for one in attempts:
        addresses[one.row.place.world] += own_addresses(one.row, one.fill)
    with ExitStack() as stack:
        on = stack.enter_context(network.network(addresses["home"], addresses["far"], directory))
        cgroups = stack.enter_context(Cgroups())
        for one in attempts:
            if one.row.early:
                one.start(on, cgroups)
        running = stack.enter_context(daemon(directory / "daemon"))
        for one in attempts:
            if one.row.early:
                one.go_on()
            else:
                one.start(on, cgroups)
        for one in attempts:
            one.finish(on)
        received = received_in_the_end(attempts, on)
        running.settle()
        snapshot, metrics = running.check(), running.metrics()
        assert running.stop() == 0
        past_uses = running.saved()["past_uses"]
    bcc = re.search(r'resolvtrace_build_info\{.*bcc="([^"]+)"', metrics)
    return Outcome(
        {one.row.name: seen(one, received, snapshot, past_uses) for one in attempts}, bcc[1] if bcc else "unknown"
    )


def seen(one: Attempt, received: Counter[str], snapshot: dict[str, Any], past_uses: SavedUses) -> Seen:
    """Pick what came of one row."""
    processes: dict[int, Process] = {process["pid"]: process for process in snapshot["processes"]}
    own = own_addresses(one.row, one.fill)
    strangers = [
        f"{process['comm']}, pid {pid}"
        for pid, process in processes.items()
        if pid not in {one.pid, one.other_pid} and any(use["address"] in own for use in process["nameservers"])
    ]
    return Seen(
        fill=one.fill,
        problem=one.problem,
        received=received[one.fill("{name}")],
        pid=one.pid,
        other_pid=one.other_pid,
        process=processes.get(one.pid),
        other=processes.get(one.other_pid),
        views={view["id"]: view["nameservers"] for view in snapshot["views"]},
        past_uses=tuple(
            (use["queries"], nameserver)
            for (_, exe, _, nameserver), use in past_uses
            if nameserver in own and exe == str(one.executable())
        ),
        strangers=tuple(strangers),
        lost=snapshot["health"]["lost"]["tcp_unattributed"],
    )


def received_in_the_end(attempts: Iterable[Attempt], on: network.Network) -> Counter[str]:
    """Wait until the nameservers have logged all that was sent; gives what they have, be it less."""
    wanted = {one.fill("{name}"): one.row.received for one in attempts if not one.problem}

    def is_there() -> bool:
        received = on.received()
        return all(received[name] >= number for name, number in wanted.items())

    with suppress(TimeoutError):  # the rows will tell
        wait_until(is_there, _LOGGED_SECONDS, "the nameservers to log what was sent")
    return on.received()
