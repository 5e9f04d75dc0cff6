"""What every server's clients are bounded by."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from exporter.connections import Connections, bounded


def fill(own: socket.socket) -> None:
    """Write until the kernel takes no more."""
    own.setblocking(False)
    with suppress(BlockingIOError):
        while own.send(b"x"):
            pass


def test_drain_waits_for_the_last_byte() -> None:
    """What asyncio kept for later would be nobody's to wait for: a client that never reads would stay for ever."""

    async def serve(own: socket.socket) -> None:
        _, writer = await asyncio.open_connection(sock=own)
        async with bounded(writer, 0.1):
            writer.write(b"last")
            await writer.drain()
        assert writer.is_closing()

    own, peer = socket.socketpair()
    with peer:
        fill(own)
        peer.settimeout(5)
        asyncio.run(serve(own))
        with peer.makefile("rb") as stream:
            assert set(stream.read()) == set(b"x")


def test_after_the_end_nobody_begins() -> None:
    """A client that the kernel had accepted just before is closed, not served."""

    async def serve(own: socket.socket) -> None:
        _, writer = await asyncio.open_connection(sock=own)
        connections = Connections()
        await connections.end()
        assert connections.begin(asyncio.sleep(0), writer) is None
        assert writer.is_closing()

    own, peer = socket.socketpair()
    with peer:
        asyncio.run(serve(own))
        assert peer.recv(1) == b""
