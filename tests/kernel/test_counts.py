"""Queries sent are queries counted: not one more, not one less. The ways that tests/scorecard has no row for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from exporter.demo.lab import NAME, NEW, OLD, OLD_ANSWER, Program, World, experiment
from tests.support.building import build
from tests.support.tracing import SHORT, daemon

V4, OTHER_V4 = "192.0.2.53", "192.0.2.54"
V6, OTHER_V6 = "fd00::53", "fd00::54"
SILENT = "192.0.2.66"
"""Nobody serves it; only those send there whom that does not concern."""
MAPPED = "::ffff:"

ONE_ADDRESS = [
    "connected-send",
    "connected-write",
    "connected-sendmmsg",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "connect-sendto",
]
PLAIN = [*((mode, V6) for mode in ONE_ADDRESS), ("connect-sendto", V4)]
TCP = [("tcp-fresh", V6)]
NOTHING = [("connect-only", V4), ("connect-only", V6)]
PAIRS = [(V6, OTHER_V6), (MAPPED + V4, MAPPED + OTHER_V4)]
TWO_ADDRESSES = [(mode, *pair) for mode in ("explicit", "alternate", "reconnect", "dissolve") for pair in PAIRS] + [
    ("explicit", V4, OTHER_V4)
]
ODD = [(mode, address) for mode in ("corked", "corked-connected") for address in (V4, V6)] + [
    (mode, V6) for mode in ("segmented", "segmented-connected")
]
THREADS = [("threads", f"127.53.{number}.1") for number in range(3)]
"""Loopback addresses, which nobody serves."""
FLOOD = ("flood", V4, SILENT)

Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """What the daemon knew when all had sent: rows by pid."""

    programs: dict[tuple[str, ...], Program]
    rows: dict[int, Row]

    def row(self, *argv: str) -> Row:
        """Give the row of a program."""
        return self.rows[self.programs[argv].pid]

    def counts(self, *argv: str) -> dict[str, int]:
        """Give a program's queries by nameserver."""
        return {use["address"]: use["queries"] for use in self.row(*argv)["nameservers"]}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Let every program send, all at once, below one daemon."""
    addresses = [V4, OTHER_V4, V6, OTHER_V6]
    text = f"nameserver {V4}\n"
    with daemon(tmp_path_factory.mktemp("counts")) as running, World([*addresses, SILENT], text) as world:
        for address in addresses:
            world.nameserver(address, {NAME: OLD_ANSWER})
        programs = dict(start_all(world))
        for program in programs.values():
            program.wait_for_line("done")
        running.settle()
        rows = {row["pid"]: row for row in running.check()["processes"]}
        yield Run(programs, rows)


def start_all(world: World) -> Iterator[tuple[tuple[str, ...], Program]]:
    """Start the programs."""
    for mode, address in [*PLAIN, *TCP, *NOTHING]:
        yield (mode, address), world.start([build("send_queries"), mode, "23", address], {"STAY": "1"})
    for argv in [*TWO_ADDRESSES, *ODD, *THREADS, FLOOD]:
        yield argv, world.start([build("send_mixed", "-pthread"), *argv])


@pytest.mark.parametrize(("mode", "address"), PLAIN)
def test_23_datagrams_are_23_queries(run: Run, mode: str, address: str) -> None:
    """Each way of sending a datagram, to IPv4 and IPv6; a v4-mapped address is the IPv4 address that it is."""
    (use,) = run.row(mode, address)["nameservers"]
    assert (use["address"], use["port"], use["transport"], use["estimated"]) == (address, 53, "udp", False)
    assert use["queries"] == 23


@pytest.mark.parametrize(("mode", "address"), TCP)
def test_23_segments_are_23_queries(run: Run, mode: str, address: str) -> None:
    """On one connection or on one each; handshake and acknowledgements are no queries. It is called an estimate."""
    (use,) = run.row(mode, address)["nameservers"]
    assert (use["address"], use["port"], use["transport"], use["estimated"]) == (address, 53, "tcp", True)
    assert use["queries"] == 23


@pytest.mark.parametrize(("mode", "address"), NOTHING)
def test_a_connect_alone_is_nothing(run: Run, mode: str, address: str) -> None:
    """A process that only connects is not even tracked."""
    assert run.programs[mode, address].pid not in run.rows


@pytest.mark.parametrize(("mode", "address", "other"), TWO_ADDRESSES)
def test_each_datagram_counts_for_where_it_goes(run: Run, mode: str, address: str, other: str) -> None:
    """What a connected socket sends to another address is not its peer's; a new peer, or none, is noticed."""
    counts = run.counts(mode, address, other)
    assert counts.pop(other.removeprefix(MAPPED)) == 23
    assert counts == ({} if mode == "explicit" else {address.removeprefix(MAPPED): 23})


def test_a_tick_between_two_programs_takes_nothing(run: Run) -> None:
    """One program takes back what another is about to count; a flood of such datagrams meets the turn of a tick."""
    assert run.counts(*FLOOD).keys() == {SILENT}


@pytest.mark.parametrize(("mode", "address"), ODD)
def test_datagrams_count_and_not_calls(run: Run, mode: str, address: str) -> None:
    """A datagram written in parts is one, a buffer that the kernel cuts is many."""
    assert run.counts(mode, address) == {address: 23}


@pytest.mark.parametrize(("mode", "address"), THREADS)
def test_threads_lose_nothing(run: Run, mode: str, address: str) -> None:
    """Two of them send at once to a nameserver that nobody has queried before; and to the next, 23 times."""
    assert run.counts(mode, address) == {str(IPv4Address(address) + i): 2 for i in range(23)}


def test_a_tls_handshake_raises_no_flag(tmp_path: Path) -> None:
    """Where only handshakes go to a removed nameserver (a probe for TLS), nothing is stale; a query over it is."""
    with daemon(tmp_path) as running, experiment() as lab:
        lab.world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
        frozen = lab.world.start([build("getaddrinfo_loop"), NAME, "20"], {"RES_OPTIONS": "no-reload"})
        probing = lab.world.start([build("send_mixed", "-pthread"), "tls", OLD])
        probing.wait_for_line("serves")
        probing.write_line("h")
        view = running.wait_for_state(frozen.pid, "current", 10)["view"]
        assert running.wait_for_state(probing.pid, "current", 10)["view"] == view
        lab.world.write_resolv_conf(f"nameserver {NEW}\n{SHORT}")
        running.wait_for_state(frozen.pid, "stale", 20)  # and with that the grace is over, for both
        probing.write_line("h")
        probing.wait_for_line("h", skip=2)
        running.settle()
        row = running.row(probing.pid) or {}
        assert (row["state"], row["nameservers"][0]["queries"]) == ("quiet", 10)
        probing.write_line("d")
        running.wait_for_state(probing.pid, "stale", 10)
