"""The daemon's Unix socket: what ``check`` and the other commands ask, one line of JSON each way.

A client sends one request and is sent one line. For ``{"want": "snapshot"}`` that is the check form
(:mod:`exporter.wire`), with ``"pid": 4711`` of that one process; for ``{"want": "textfile"}`` it is
``{"textfile": "..."}``, for ``{"want": "table"}`` ``{"table": ...}`` (:mod:`exporter.tableform`), else
``{"error": "..."}``. The socket belongs to root and the group ``resolvtrace``, which may read what the daemon knows;
anybody else is refused, even where the file would let him in (:mod:`exporter.peers`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from exporter import jsonform
from exporter.connections import BACKLOG, Connections, bounded
from exporter.peers import Doorkeeper
from exporter.socketfile import FeedError, SocketFile
from exporter.tableform import table
from exporter.textfile import textfile
from tracer.snapshot import Snapshot

__all__ = ["GROUP", "FeedError", "FeedServer", "Limits"]

GROUP = "resolvtrace"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the clients may take: how many at once, bytes of a request, seconds for a request and its answer."""

    clients: int = 32
    request_bytes: int = 4096
    seconds: float = 10


class _RequestError(Exception):
    """The request cannot be answered; the message is for the client."""


class FeedServer:
    """A feed at work. :meth:`start` makes one, :meth:`close` ends it."""

    def __init__(self, latest: Callable[[], Snapshot], limits: Limits) -> None:
        self._latest = latest
        self._limits = limits
        self._connections = Connections()
        self._file: SocketFile | None = None
        self._doorkeeper: Doorkeeper
        self._server: asyncio.Server | None = None

    @classmethod
    async def start(
        cls, latest: Callable[[], Snapshot], path: str, *, group: str = GROUP, limits: Limits | None = None
    ) -> Self:
        """Make the socket ``path`` and serve ``latest()`` from the running loop.

        Raises FeedError where the socket cannot be made or another daemon serves on it.
        """
        own = cls(latest, limits or Limits())
        own._file = SocketFile.create(path, group)
        own._doorkeeper = Doorkeeper(Path(path))
        own._server = await asyncio.start_unix_server(
            own._connected, sock=own._file.listener, limit=own._limits.request_bytes, backlog=BACKLOG
        )
        return own

    async def close(self) -> None:
        """Remove the socket and end every client."""
        if self._file is not None:
            self._file.remove()
        if self._server is not None:
            self._server.close()
            await self._connections.end()
            await self._server.wait_closed()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        crowded = len(self._connections) >= self._limits.clients
        self._connections.begin(self._serve(reader, writer, crowded=crowded), writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, crowded: bool) -> None:
        async with bounded(writer, self._limits.seconds):
            if not self._doorkeeper.admits(writer.get_extra_info("socket")):
                answer: object = {"error": f"this socket is for root and the group {GROUP}"}
            elif crowded:
                answer = {"error": "too many clients at once; try again"}
            else:
                answer = await self._reply(reader)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()

    async def _reply(self, reader: asyncio.StreamReader) -> object:
        try:
            return self._answer(await self._request(reader))
        except _RequestError as error:
            return {"error": str(error)}

    async def _request(self, reader: asyncio.StreamReader) -> Mapping[str, object]:
        try:
            request = json.loads(await reader.readline())
        except (ValueError, RecursionError) as error:  # from json, and from a line beyond the reader's limit
            raise _RequestError(
                f"a request is one line of JSON of at most {self._limits.request_bytes} bytes"
            ) from error
        if not isinstance(request, dict):
            raise _RequestError('a request is an object such as {"want": "snapshot"}')
        return request

    def _answer(self, request: Mapping[str, object]) -> object:
        match request.get("want"):
            case "snapshot":
                return jsonform.check(_of(self._latest(), request.get("pid")))
            case "table":
                return {"table": table(self._latest())}
            case "textfile":
                return {"textfile": textfile(self._latest)}
            case _:
                raise _RequestError("this daemon answers no such request")


def _of(snapshot: Snapshot, pid: object) -> Snapshot:
    """Leave of the processes the one asked for, where one is."""
    if pid is None:
        return snapshot
    return replace(snapshot, processes=tuple(one for one in snapshot.processes if one.pid == pid))
