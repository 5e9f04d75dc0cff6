"""The daemon's Unix socket: one line of JSON each way, for ``check`` and the other commands.

A client sends one request and receives one line. ``{"want": "snapshot"}`` gets the form of ``check --json``
(:mod:`exporter.feed.check_json`), with ``"pid": 4711`` of that process only; ``{"want": "textfile"}`` gets
``{"textfile": "..."}``; ``{"want": "table"}`` gets ``{"table": ...}`` (:mod:`exporter.feed.top_table`), with
``"commands": true`` the processes' command lines too; anything else gets ``{"error": "..."}``. Root, the daemon's user
and the group ``resolvtrace`` are allowed, whatever the mode of the socket's file (:mod:`exporter.feed.access`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from exporter.connections import BACKLOG, Connections, bounded
from exporter.feed import check_json
from exporter.feed.access import AccessControl
from exporter.feed.change_status import change_status
from exporter.feed.event_log import EventLog, follow
from exporter.feed.serialization import encode
from exporter.feed.socketfile import SocketFile
from exporter.feed.top_table import to_table
from exporter.prometheus.textfile import textfile
from tracer.report.snapshot import Snapshot

__all__ = ["GROUP", "FeedServer", "Limits"]

GROUP = "resolvtrace"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the clients: how many at once, bytes of a request, seconds for a request and its answer.

    ``followers`` of ``clients`` may follow events: the others stay free for single requests.
    """

    clients: int = 32
    followers: int = 16
    request_bytes: int = 4096
    seconds: float = 10


class _RequestError(Exception):
    """The request cannot be answered; the message goes to the client."""


class FeedServer:
    """The running feed, from :meth:`start` to :meth:`close`."""

    def __init__(
        self,
        latest: Callable[[], Snapshot],
        with_commands: Callable[[], Snapshot],
        events: EventLog,
        limits: Limits,
    ) -> None:
        self._latest = latest
        self._with_commands = with_commands
        self._events = events
        self._followers = 0
        self._limits = limits
        self._connections = Connections()
        self._file: SocketFile | None = None
        self._access: AccessControl
        self._server: asyncio.Server | None = None

    @classmethod
    async def start(
        cls,
        latest: Callable[[], Snapshot],
        path: str,
        *,
        with_commands: Callable[[], Snapshot] | None = None,
        events: EventLog | None = None,
        group: str = GROUP,
        limits: Limits | None = None,
    ) -> Self:
        """Create the socket ``path`` and serve ``latest()`` and ``events`` in the running loop.

        ``with_commands()`` gives the same with the processes' command lines, which are read for it.
        Raises ResolvtraceError if the socket cannot be created or another daemon serves on it.
        """
        own = cls(latest, with_commands or latest, events or EventLog(), limits or Limits())
        own._file = SocketFile.create(path, group)
        own._access = AccessControl(Path(path))
        own._server = await asyncio.start_unix_server(
            own._connected, sock=own._file.listener, limit=own._limits.request_bytes, backlog=BACKLOG
        )
        return own

    async def close(self) -> None:
        """Remove the socket and close every client."""
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
        async with bounded(writer, self._limits.seconds) as deadline:
            try:
                self._admit(writer, crowded=crowded)
                request = await self._request(reader)
                if request.get("want") == "events":
                    await self._follow(request, reader, writer, deadline)
                    return
                answer = self._answer(request)
            except _RequestError as error:
                answer = {"error": str(error)}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()

    def _admit(self, writer: asyncio.StreamWriter, *, crowded: bool) -> None:
        if not self._access.allows(writer.get_extra_info("socket")):
            raise _RequestError(f"only root and the group {GROUP} may use this socket")
        if crowded:
            raise _RequestError("too many clients at once; try again")

    async def _follow(
        self,
        request: Mapping[str, object],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        deadline: asyncio.Timeout,
    ) -> None:
        if self._followers >= self._limits.followers:
            raise _RequestError(f"{self._followers} clients follow events already; end one of them")
        self._followers += 1
        try:
            await follow(self._events, request, reader, writer, deadline)
        finally:
            self._followers -= 1

    async def _request(self, reader: asyncio.StreamReader) -> Mapping[str, object]:
        try:
            request = json.loads(await reader.readline())
        except (ValueError, RecursionError) as error:  # from json, and from a line beyond the reader's limit
            raise _RequestError(
                f"a request must be one line of JSON of at most {self._limits.request_bytes} bytes"
            ) from error
        if not isinstance(request, dict):
            raise _RequestError('a request must be an object such as {"want": "snapshot"}')
        return request

    def _answer(self, request: Mapping[str, object]) -> object:
        match request.get("want"):
            case "snapshot":
                return check_json.to_json(_of(self._with_commands(), request.get("pid")))
            case "table" if request.get("commands"):
                return {"table": to_table(self._with_commands(), commands=True)}
            case "table":
                return {"table": to_table(self._latest())}
            case "change":
                return {"change": encode(change_status(self._latest()))}
            case "textfile":
                return {"textfile": textfile(self._latest)}
            case _:
                raise _RequestError("unknown request")


def _of(snapshot: Snapshot, pid: object) -> Snapshot:
    """Keep only the requested process, if one is."""
    if pid is None:
        return snapshot
    return replace(snapshot, processes=tuple(one for one in snapshot.processes if one.pid == pid))
