"""The daemon: the tracer and the servers, in one event loop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import structlog

from exporter.config.configuration import Configuration
from exporter.config.options import OPTIONS
from exporter.descriptors import require_descriptors
from exporter.logs import log_event
from exporter.sd_notify import ServiceManager
from exporter.web.webconfig import WebConfig
from tracer.child_processes import ChildProcesses
from tracer.engine import Tracer
from tracer.errors import ResolvtraceError, StoppedError

if TYPE_CHECKING:
    from exporter.feed.event_log import EventLog
    from exporter.web.server import WebServer

_TICK_SECONDS = 1.0
_LOG = structlog.get_logger()


def serve(
    configured: Configuration, read: Callable[[], Configuration], children: ChildProcesses, stopped: Callable[[], bool]
) -> None:
    """Trace and serve until SIGTERM or SIGINT. Raises ResolvtraceError.

    ``read`` reads the configuration again; ``stopped`` says whether a signal came before the event loop handles them.
    """
    web = configured.web
    require_descriptors()
    tracer = Tracer(configured.settings, children, stopped=stopped)
    try:
        asyncio.run(_Daemon(tracer, configured, web, read).run(stopped))
    except StoppedError:
        _LOG.info("stopped before ready")
    finally:
        tracer.close()


class _Daemon:
    """The tracer and the servers, in one event loop."""

    def __init__(
        self, tracer: Tracer, configured: Configuration, web: WebConfig, read: Callable[[], Configuration]
    ) -> None:
        self._tracer = tracer
        self._configured = configured
        self._web_config = web
        self._read = read
        self._stop = False
        self._woken: asyncio.Future[None] | None = None
        self._resting = False
        self._web: WebServer | None = None
        self._manager = ServiceManager()
        self._events: EventLog

    async def run(self, stopped: Callable[[], bool]) -> None:
        """Start, serve, tick until a signal, stop."""
        # Imported while the loader's child compiles.
        from exporter.feed.event_log import EventLog  # noqa: PLC0415
        from exporter.feed.server import FeedServer  # noqa: PLC0415
        from exporter.web.server import WebServer  # noqa: PLC0415

        loop = asyncio.get_running_loop()
        records = self._tracer.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        if stopped():
            raise StoppedError
        async with AsyncExitStack() as running:
            sources = {records: self._take_records, self._tracer.refresh_schedule.descriptor: self._take_reports}
            for descriptor, take in sources.items():
                loop.add_reader(descriptor, take)
                running.callback(loop.remove_reader, descriptor)
            self._events = EventLog()
            self._tracer.turn()
            self._tracer.wait_for_programs()
            self._tracer.tick()
            self._tell()
            web = await self._serve_web(WebServer)
            running.push_async_callback(web.close)
            feed = await FeedServer.start(
                self._tracer.snapshot,
                self._configured["socket"],
                with_commands=self._tracer.snapshot_with_commands,
                events=self._events,
            )
            running.push_async_callback(feed.close)
            if not self._tracer.drop_privileges():
                _LOG.warning("privileges kept", why="this kernel requires CAP_BPF for reading maps")
            self._manager.ready()
            self._report()
            _LOG.info("ready", address="{}:{}".format(*web.address), socket=self._configured["socket"])
            await self._follow(loop, running.enter_context(ThreadPoolExecutor(1, "tick")))
            self._manager.stopping()
        _LOG.info("stopped")

    async def _serve_web(self, server: type[WebServer]) -> WebServer:
        try:
            self._web = await server.start(
                self._tracer.snapshot,
                self._configured["web.listen_address"],
                telemetry_path=self._configured["web.telemetry_path"],
                config=self._web_config,
            )
        except ResolvtraceError as error:
            raise self._configured.error("web.listen_address", error) from error
        return self._web

    async def _follow(self, loop: asyncio.AbstractEventLoop, waiting: ThreadPoolExecutor) -> None:
        next_tick = loop.time() + _TICK_SECONDS
        while not self._stop:
            self._manager.alive()
            if self._tracer.refresh_schedule.seconds_left <= 0:
                self._tracer.refresh()
                self._tell()
            if loop.time() >= next_tick:
                next_tick += _TICK_SECONDS * ((loop.time() - next_tick) // _TICK_SECONDS + 1)
                if self._tracer.has_work():
                    await self._tick(loop, waiting)
            waits = [self._tracer.refresh_schedule.seconds_left, self._manager.seconds_alive]
            self._resting = self._tracer.may_rest()
            if not self._resting:
                waits.append(next_tick - loop.time())
            await self._pause(loop, max(0.0, min(waits)))
            self._resting = False

    def _take_records(self) -> None:
        self._tracer.consume()
        if self._resting:
            self._wake()

    def _take_reports(self) -> None:
        self._tracer.refresh_schedule.take_reports()
        self._wake()

    async def _pause(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Wait until the time is over or a signal comes; asyncio's own timeouts cost half as much again."""
        self._woken = loop.create_future()
        timer = loop.call_later(seconds, self._wake)
        await self._woken
        timer.cancel()

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    def _end(self) -> None:
        self._stop = True
        self._wake()

    async def _tick(self, loop: asyncio.AbstractEventLoop, waiting: ThreadPoolExecutor) -> None:
        self._tracer.turn()
        await loop.run_in_executor(waiting, self._tracer.wait_for_programs)
        self._tracer.tick()
        self._tell()
        self._report()

    def _tell(self) -> None:
        """Log what has happened, and tell those who follow."""
        events = self._tracer.take_events()
        for event in events:
            log_event(event)
        self._events.add(events)

    def _report(self) -> None:
        """Set the status that `systemctl status` shows."""
        stale, tracked = self._tracer.stale, self._tracer.tracked
        self._manager.status(f"{stale} stale, {tracked} tracked" if stale else f"nothing is stale, {tracked} tracked")

    def _reload(self) -> None:
        self._manager.reloading()
        self._read_again()
        self._manager.ready()

    def _read_again(self) -> None:
        try:
            configured = self._read()
            web = configured.web
        except ResolvtraceError as error:
            _LOG.error("configuration not reloaded, keeping the old one", error=str(error))
            return
        self._tracer.set_policy(configured.policy)
        self._wake()
        self._web_config = web
        if self._web is not None:
            self._web.config = web
        needing_start = [option.name for option in OPTIONS if not option.name.startswith("verdict.")]
        fixed = [name for name in needing_start if configured[name] != self._configured[name]]
        _LOG.info("configuration reloaded", **({"needs_restart": ",".join(fixed)} if fixed else {}))
