"""A look at resolv.conf by any call of the stat family, with programs that look before each of their queries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from exporter.demo.lab import NAME, OLD, experiment
from tests.support.tracing import SHORT, daemon
from tests.zoo.driving import PROGRAMS

PYTHON = """
import os, socket, sys, time
with open("/etc/resolv.conf") as file, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.connect((file.read().split()[1], 53))
    while True:
        os.stat("/etc/resolv.conf")
        client.send(bytes.fromhex("ab120100000100000000000003686174 03636f6d0000010001"))
        time.sleep(0.2)
"""

WATCHING_FOR_ANOTHER = """
import ctypes, os, socket, sys, time
libc = ctypes.CDLL(None)
IN_MODIFY = 2
if int(sys.argv[1]):
    assert libc.inotify_add_watch(libc.inotify_init(), b"/etc/resolv.conf", IN_MODIFY) > 0
child = os.fork()
if child:
    print("child", child, flush=True)
    os.waitpid(child, 0)
with open("/etc/resolv.conf") as file, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.connect((file.read().split()[1], 53))
    while True:
        client.send(bytes.fromhex("ab120100000100000000000003686174 03636f6d0000010001"))
        time.sleep(0.2)
"""
"""The parent watches the file, or not; its child reads it once and queries."""


@pytest.mark.parametrize(
    "argv",
    [["/usr/bin/python3", "-c", PYTHON], ["node", PROGRAMS / "checking.js", NAME, "200"]],
    ids=["Python: newfstatat", "Node: statx"],
)
def test_a_check_of_the_file_is_a_look(tmp_path: Path, argv: Sequence[str | Path]) -> None:
    """Whoever checks the file before each query would follow a change, and it is known when it last did."""
    with daemon(tmp_path) as running, experiment() as lab:
        lab.world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
        program = lab.world.start(argv)
        row = running.wait_for(program.pid, lambda row: bool(row["follows"] == "yes"), 40, "that it follows")
        assert row["follows_reason"] == "checks the file before it queries"
        looked_at = row["looked_at"]
        running.wait_for(program.pid, lambda row: bool(row["looked_at"] > looked_at), 5, "a later look")
        assert len(row["reads"]) == 1


@pytest.mark.parametrize(("watches", "follows"), [("1", "unknown"), ("0", "no")])
def test_a_parent_that_watches_the_file_may_tell_its_child(tmp_path: Path, watches: str, follows: str) -> None:
    """As SSSD's monitor does its back ends: whether they listen is not seen."""
    with daemon(tmp_path) as running, experiment() as lab:
        lab.world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
        program = lab.world.start(["/usr/bin/python3", "-c", WATCHING_FOR_ANOTHER, watches])
        child = int(program.wait_for_line("child").split()[1])
        row = running.wait_for(child, lambda row: "too few" not in row["follows_reason"], 60, "a finding")
        assert row["follows"] == follows
