"""The web server: HTTP/1.1 over asyncio, framed by h11, with limits on everything.

prometheus_client's own server answers on every path, and with TLS one client that never finishes its handshake blocks
all others. Here each connection is a task with a deadline. If there are too many, the one that has waited longest
without a request is closed, so a client that only opens connections blocks nobody.
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
from exporter.web.credentials import Credentials
from exporter.web.http_connection import HTTPConnection
from exporter.web.listen import listen
from exporter.web.routes import Response, Routes, text_response
from exporter.web.webconfig import WebConfig
from tracer.report.snapshot import Snapshot

__all__ = ["DEFAULT_ADDRESS", "DEFAULT_TELEMETRY_PATH", "Limits", "WebServer"]

DEFAULT_ADDRESS = "127.0.0.1:10953"
DEFAULT_TELEMETRY_PATH = "/metrics"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits: connections of all clients together, bytes of a request's head, seconds.

    ``request_seconds``: for a request and its response; ``idle_seconds``: for the pause before the next one.
    """

    connections: int = 64
    head_bytes: int = 16 * 1024
    request_seconds: float = 10
    idle_seconds: float = 75


class WebServer:
    """The running server, from :meth:`start` to :meth:`close`."""

    def __init__(self, routes: Routes, limits: Limits, config: WebConfig) -> None:
        self._routes = routes
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
        """Listen on ``address`` and serve ``latest()`` in the running loop. Raises ResolvtraceError."""
        own = cls(Routes(latest, telemetry_path), limits or Limits(), config or WebConfig())
        own._server = await asyncio.start_server(own._accept, sock=listen(address), backlog=BACKLOG)
        return own

    @property
    def config(self) -> WebConfig:
        """TLS and users. A new value applies to connections that begin from then on."""
        return self._config

    @config.setter
    def config(self, config: WebConfig) -> None:
        self._config = config
        self._credentials = Credentials(config.users) if config.users else None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on; for port 0, the port that the kernel chose."""
        if self._server is None or not self._server.sockets:
            raise RuntimeError("the server is not listening")
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def close(self) -> None:
        """Stop listening and close every connection."""
        if self._server is not None:
            self._server.close()
            await self._connections.end()
            await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
                # Here, not in the listener: a handshake counts as a connection, and has the same deadline.
                with self._awaiting_client():
                    await writer.start_tls(config.context)
            connection = HTTPConnection(reader, writer, self._limits.head_bytes)
            while True:
                with self._awaiting_client():
                    request = await connection.receive()
                if request is None:
                    return
                response = await self._refusal(credentials, request) or self._respond(request)
                await connection.send(replace(response, headers=(*response.headers, *config.headers)))
                if not connection.next_request():
                    return
                deadline.reschedule(_from_now(self._limits.idle_seconds))
                with self._awaiting_client():
                    await connection.first_bytes()
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
    async def _refusal(credentials: Credentials | None, request: h11.Request | Response) -> Response | None:
        if credentials is None or isinstance(request, Response):
            return None
        given = next((value for name, value in request.headers if name == b"authorization"), b"")
        match await credentials.verify(given.decode("latin-1")):
            case True:
                return None
            case None:
                return text_response(
                    HTTPStatus.SERVICE_UNAVAILABLE, "too many passwords are being checked", (("Retry-After", "1"),)
                )
            case _:
                return text_response(
                    HTTPStatus.UNAUTHORIZED, headers=(("WWW-Authenticate", 'Basic realm="resolvtrace"'),)
                )

    def _respond(self, request: h11.Request | Response) -> Response:
        if isinstance(request, Response):
            return request
        accept = b",".join(value for name, value in request.headers if name == b"accept")
        try:
            return self._routes.respond(
                request.method.decode(), request.target.decode("latin-1"), accept.decode("latin-1")
            )
        except Exception:  # noqa: BLE001 - a page that fails must not affect others
            _log.exception("page failed", target=request.target)
            return text_response(HTTPStatus.INTERNAL_SERVER_ERROR)


def _from_now(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds
