"""The web server: HTTP/1.1 over asyncio, framed by h11, bounded in every direction.

prometheus_client's own server answers on every path, and its TLS lets one client that never finishes its handshake
stop all others. Here each connection is a task with a deadline; where there are too many of them, the one that has kept
us waiting longest for a request makes room, so whoever only opens connections shuts nobody out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Self

import h11
import structlog

from exporter.connections import BACKLOG, Connections, bounded, current_task, cut_off
from exporter.conversation import Conversation
from exporter.credentials import Credentials
from exporter.listen import ListenError, listen
from exporter.pages import Answer, Pages, plain
from exporter.webconfig import WebConfig
from tracer.snapshot import Snapshot

__all__ = ["DEFAULT_ADDRESS", "DEFAULT_TELEMETRY_PATH", "Limits", "WebError", "WebServer"]

DEFAULT_ADDRESS = "127.0.0.1:10953"
DEFAULT_TELEMETRY_PATH = "/metrics"

_log = structlog.get_logger(__name__)


class WebError(Exception):
    """The server cannot start; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may take: connections of all together, bytes of a request's head, seconds.

    ``request_seconds`` is for a whole request and its answer, ``idle_seconds`` for the pause before the next one.
    """

    connections: int = 64
    head_bytes: int = 16 * 1024
    request_seconds: float = 10
    idle_seconds: float = 75


class WebServer:
    """A server at work. :meth:`start` makes one, :meth:`close` ends it."""

    def __init__(self, pages: Pages, limits: Limits, config: WebConfig) -> None:
        self._pages = pages
        self.config = config
        self._limits = limits
        self._connections = Connections()
        self._waiting: dict[asyncio.Task[None], None] = {}
        self._server: asyncio.Server | None = None

    @classmethod
    async def start(
        cls,
        latest: Callable[[], Snapshot],
        address: str = DEFAULT_ADDRESS,
        *,
        telemetry_path: str = DEFAULT_TELEMETRY_PATH,
        config: WebConfig | None = None,
        limits: Limits | None = None,
    ) -> Self:
        """Listen on ``address`` and serve ``latest()`` from the running loop. Raises WebError."""
        if not telemetry_path.startswith("/"):
            raise WebError(f"{telemetry_path!r} is no path for the metrics: it must begin with /")
        own = cls(Pages(latest, telemetry_path), limits or Limits(), config or WebConfig())
        try:
            listener = listen(address)
        except ListenError as error:
            raise WebError(str(error)) from error
        own._server = await asyncio.start_server(own._connected, sock=listener, backlog=BACKLOG)
        return own

    @property
    def config(self) -> WebConfig:
        """TLS and users. Given another, connections that begin from then on go by that one."""
        return self._config

    @config.setter
    def config(self, config: WebConfig) -> None:
        self._config = config
        self._credentials = Credentials(config.users) if config.users else None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on: the port that the kernel chose, where it was left to choose."""
        if self._server is None or not self._server.sockets:
            raise RuntimeError("the server is not listening")
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
            await self._connections.end()
            await self._server.wait_closed()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._waiting and len(self._connections) >= self._limits.connections:
            longest = next(iter(self._waiting))
            del self._waiting[longest]
            self._connections.drop(longest)
        if len(self._connections) >= self._limits.connections:
            cut_off(writer)
        else:
            task = self._connections.begin(self._serve(reader, writer), writer)
            if task is not None:
                self._waiting[task] = None
                task.add_done_callback(lambda done: self._waiting.pop(done, None))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with bounded(writer, self._limits.request_seconds) as deadline:
            config, credentials = self._config, self._credentials
            if config.context is not None:
                # Here and not in the listener: a handshake counts as a connection, and has the same deadline.
                with self._awaiting_client():
                    await writer.start_tls(config.context)
            conversation = Conversation(reader, writer, self._limits.head_bytes)
            while True:
                with self._awaiting_client():
                    request = await conversation.receive()
                if request is None:
                    return
                answer = await self._refusal(credentials, request) or self._answer(request)
                await conversation.send(replace(answer, headers=(*answer.headers, *config.headers)))
                if not conversation.next_request():
                    return
                deadline.reschedule(_from_now(self._limits.idle_seconds))
                with self._awaiting_client():
                    await conversation.first_bytes()
                deadline.reschedule(_from_now(self._limits.request_seconds))

    @contextmanager
    def _awaiting_client(self) -> Iterator[None]:
        task = current_task()
        self._waiting[task] = None
        try:
            yield
        finally:
            self._waiting.pop(task, None)

    @staticmethod
    async def _refusal(credentials: Credentials | None, request: h11.Request | Answer) -> Answer | None:
        if credentials is None or isinstance(request, Answer):
            return None
        given = next((value for name, value in request.headers if name == b"authorization"), b"")
        match await credentials.admits(given.decode("latin-1")):
            case True:
                return None
            case None:
                return plain(HTTPStatus.SERVICE_UNAVAILABLE, "too many try passwords", (("Retry-After", "1"),))
            case _:
                return plain(HTTPStatus.UNAUTHORIZED, headers=(("WWW-Authenticate", 'Basic realm="resolvtrace"'),))

    def _answer(self, request: h11.Request | Answer) -> Answer:
        if isinstance(request, Answer):
            return request
        accept = b",".join(value for name, value in request.headers if name == b"accept")
        try:
            return self._pages.answer(
                request.method.decode(), request.target.decode("latin-1"), accept.decode("latin-1")
            )
        except Exception:  # noqa: BLE001 - a page that fails takes no other with it
            _log.exception("page failed", target=request.target)
            return plain(HTTPStatus.INTERNAL_SERVER_ERROR)


def _from_now(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds
