"""Sockets that were open before the daemon started: whose they are, and what leaves them from then on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from exporter.demo.lab import NAME, OLD_ANSWER, Nameserver, Program, World, nameserver
from tests.support.building import build
from tests.support.tracing import Daemon, daemon

WORLD_V4, WORLD_V6, TLS = "192.0.2.53", "fd00::53", "192.0.2.85"
LOOPBACK = "127.23.53.1"
"""In the host's own network namespace."""

UDP = [(WORLD_V4, "53"), (WORLD_V6, "53"), (LOOPBACK, "53")]
STREAMS = [(WORLD_V4, "53"), (WORLD_V6, "53"), (LOOPBACK, "53"), (TLS, "853")]
Holding = Mapping[tuple[str, ...], Program]


@contextmanager
def running_program(program: Program) -> Iterator[Program]:
    """Kill a program of the host's when the block ends."""
    try:
        yield program
    finally:
        program.stop()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Holding, Daemon]]:
    """Open every socket, start the daemon, and only then let each program send its 23 queries."""
    with ExitStack() as stack:
        host_server = Program(nameserver.command(LOOPBACK, {NAME: OLD_ANSWER}), {"PATH": "/usr/sbin:/usr/bin"})
        stack.enter_context(running_program(host_server))
        Nameserver(LOOPBACK, host_server).wait_until_ready()
        world = stack.enter_context(World([WORLD_V4, WORLD_V6, TLS], f"nameserver {WORLD_V4}\n"))
        for address in (WORLD_V4, WORLD_V6):
            world.nameserver(address, {NAME: OLD_ANSWER})
        tls_server = world.start([*nameserver.command(TLS, {NAME: OLD_ANSWER}), "--port=853"])
        Nameserver(TLS, tls_server).wait_until_ready()
        programs: dict[tuple[str, ...], Program] = {}
        for mode, address, port in [("hold", *one) for one in UDP] + [("tcp-hold", *one) for one in STREAMS]:
            argv = [str(build("send_queries")), mode, "23", address, port]
            if address == LOOPBACK:
                programs[mode, address] = stack.enter_context(running_program(Program(argv, {"STAY": "1"})))
            else:
                programs[mode, address] = world.start(argv, {"STAY": "1"})
        for program in programs.values():
            program.wait_for_line("ready")
        running = stack.enter_context(daemon(tmp_path_factory.mktemp("bootstrap")))
        for program in programs.values():
            program.write_line()
        for program in programs.values():
            program.wait_for_line("done")
        yield programs, running


@pytest.mark.parametrize(
    ("mode", "address"), [("hold", address) for address, _ in UDP] + [("tcp-hold", address) for address, _ in STREAMS]
)
def test_a_socket_from_before_is_counted_on(scene: tuple[Holding, Daemon], mode: str, address: str) -> None:
    """In the host's network namespace and in another, over UDP and TCP: the process that holds it, and 23 queries."""
    programs, running = scene
    pid = programs[mode, address].pid
    row = running.wait_for(pid, lambda row: sum(use["queries"] for use in row["nameservers"]) >= 23, 10, "23 queries")
    (use,) = row["nameservers"]
    transport = "udp" if mode == "hold" else "tls" if address == TLS else "tcp"
    assert (use["address"], use["transport"], use["estimated"]) == (address, transport, transport != "udp")
    assert use["queries"] == 23
    assert (row["comm"], row["exe"], row["uid"]) == ("send_queries", str(build("send_queries")), 0)
    assert row["started_at"] is not None


def test_who_holds_a_shared_connection(tmp_path: Path) -> None:
    """A connection that was open before a fork goes to the parent, of the two that hold it."""
    with World([WORLD_V4], f"nameserver {WORLD_V4}\n") as world:
        world.nameserver(WORLD_V4, {NAME: OLD_ANSWER})
        program = world.start([build("send_mixed", "-pthread"), "fork-hold", WORLD_V4])
        child = int(program.wait_for_line("child").split()[1])
        with daemon(tmp_path) as running:
            program.write_line()
            program.wait_for_line("done")
            row = running.wait_for(program.pid, lambda row: bool(row["nameservers"]), 10, "its queries")
            assert [use["queries"] for use in row["nameservers"]] == [23]
            assert running.row(child) is None
