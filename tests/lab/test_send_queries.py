"""The query generator: what it says it sends is what a real nameserver receives."""

from __future__ import annotations

import pytest

from exporter.demo.lab import World, wait_until
from tests.support.building import build

V4, V6 = "192.168.122.65", "fd00::53"
UDP = ["connected-send", "connected-write", "connected-sendmmsg", "sendto", "sendmsg", "sendmmsg", "connect-sendto"]
CASES = [(mode, address) for mode in [*UDP, "tcp", "tcp-fresh", "hold", "tcp-hold"] for address in (V4, V6)]


@pytest.mark.parametrize(("mode", "address"), [*CASES, ("mapped", V4), ("mapped-connected", V4)])
def test_23_queries_arrive(mode: str, address: str) -> None:
    """23 queries sent are 23 queries logged by the nameserver, no more."""
    with World([address], "") as world:
        server = world.nameserver(address, {"hat.com": "192.168.122.203"})
        program = world.start([build("send_queries"), mode, "23", address], {"STAY": "1"})
        program.wait_for_line("ready")
        if "hold" in mode:
            assert not server.queries()
            program.write_line()
        program.wait_for_line("done")
        wait_until(lambda: len(server.queries()) >= 23, 5, "23 queries")
        assert program.poll() is None
        program.stop()
        # One more, and it is the 24th: nothing else was on its way.
        world.run([build("send_queries"), "connected-send", "1", address])
        wait_until(lambda: len(server.queries()) >= 24, 5, "the query after")
        assert len(server.queries()) == 24


def test_a_connect_alone_sends_nothing() -> None:
    """connect-only connects and closes."""
    with World([V4], "") as world:
        server = world.nameserver(V4, {"hat.com": "192.168.122.203"})
        assert "done" in world.run([build("send_queries"), "connect-only", "23", V4])
        assert "done" in world.run([build("send_queries"), "sendto", "1", V4])
        wait_until(server.queries, 5, "the one query")
        assert len(server.queries()) == 1
