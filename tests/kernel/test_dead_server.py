"""A nameserver that dies and is therefore removed: a lookup that still waits for it is no reason for a flag."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from exporter.demo.lab import NAME, World, wait_until
from tests.support.building import build
from tests.support.tracing import Daemon, addresses, daemon, seconds_between

OLD, SECOND, THIRD = "192.168.122.65", "192.168.122.66", "192.168.122.67"
GRACE = 15.0
"""Seconds: the default, and less than the longest lookup here may take."""
LAST_RETRY = 35.0
"""Seconds after the removal. With three nameservers dead one lookup queries the first at 0 s and at 15 s, and for the
name in the first search domain at 24 s and at 39 s (glibc, resolv/res_send.c and res_query.c)."""


def listing(*nameservers: str) -> str:
    """Give a resolv.conf with two search domains and glibc's own timeouts."""
    return "".join(f"nameserver {address}\n" for address in nameservers) + "search one.example two.example\n"


def has_unread(world: World, address: str) -> bool:
    """Say whether the nameserver on an address has left a datagram unread."""
    packed = socket.inet_aton(address)[::-1].hex().upper()
    lines = world.path(f"/proc/{world.pid}/net/udp").read_text().splitlines()[1:]
    return any(line.split()[1] == f"{packed}:0035" and not line.split()[4].endswith(":00000000") for line in lines)


def use_of(row: dict[str, Any], address: str) -> dict[str, Any]:
    """Give what a process has to do with a nameserver."""
    return next(dict(use) for use in row["nameservers"] if use["address"] == address)


def view_of(running: Daemon, row: dict[str, Any]) -> dict[str, Any]:
    """Give the view of a process."""
    return next(dict(view) for view in running.check()["views"] if view["id"] == row["view"])


def test_a_healthy_lookup_that_retries_a_dead_server_raises_nothing(tmp_path: Path) -> None:
    """The process re-reads the file before each lookup; the one that was under way goes on for forty seconds."""
    with (
        World([OLD, SECOND, THIRD], listing(OLD, SECOND, THIRD)) as world,
        daemon(tmp_path, grace=GRACE) as running,
    ):
        servers = [world.nameserver(address, {NAME: "192.168.122.203"}) for address in (OLD, SECOND, THIRD)]
        program = world.start([build("getaddrinfo_loop"), NAME, "200"])
        before = running.wait_for_state(program.pid, "current", 5)
        for server in servers:
            server.pause()
        wait_until(lambda: has_unread(world, OLD), 5, "a lookup to begin")
        world.write_resolv_conf(listing(SECOND, THIRD))
        removed = str(running.wait_for_generation(before["view"], 2, 3)["changed_at"])
        answers = len(program.lines())

        seen: set[str] = set()

        def has_retried() -> bool:
            row = running.row(program.pid) or before
            seen.add(row["state"])
            return seconds_between(removed, use_of(row, OLD)["last_query"]) > LAST_RETRY

        wait_until(has_retried, 50, "the last retry")
        assert "grace" in seen
        assert seen <= {"current", "retired", "quiet", "grace"}
        assert len(program.lines()) == answers, "all of it was one lookup"
        assert use_of(running.row(program.pid) or {}, OLD)["queries_since_removed"] >= 3

        for server in servers:
            server.resume()
        cured = running.wait_for(
            program.pid, lambda row: bool(row["last_read"]["generation"] == 2), 15, "the next lookup"
        )
        running.wait_for_state(program.pid, "current", 5)
        assert cured["state"] != "stale"
        assert addresses(running.row(program.pid) or {})[OLD] == "retired"
