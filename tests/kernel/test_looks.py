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
