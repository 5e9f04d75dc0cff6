"""``resolvtrace daemon``: trace and serve, in the foreground.

Ends with status 0 on SIGTERM and SIGINT; 1 where it cannot start, with one line that says why and what to do.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import structlog

from exporter import configuration, logs
from exporter.configuration import KEYS, Configuration
from exporter.descriptors import require_descriptors
from exporter.escape import printable
from exporter.service import Service
from exporter.webconfig import WebConfig
from tracer.engine import Tracer
from tracer.errors import ResolvtraceError, StoppedError

if TYPE_CHECKING:
    from exporter.web import WebServer

_TICK_SECONDS = 1.0
_LOOK_SECONDS = 0.25
_FAILED = 1
_LOG = structlog.get_logger()


def prepare_parser(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.usage = "resolvtrace daemon [-h] [OPTION ...]"
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help=f"configuration, in TOML ({configuration.DEFAULT_FILE})"
    )
    for key in KEYS:
        if key.flag is None:
            continue
        if key.default is False:
            parser.add_argument(key.flag, dest=key.name, action="store_true", default=None, help=key.help)
        else:
            parser.add_argument(
                key.flag,
                dest=key.name,
                metavar=key.metavar or "|".join(key.choices),
                choices=key.choices or None,
                help=f"{key.help} ({key.default})" if key.default else key.help,
            )
    parser.add_argument("--check-config", action="store_true", help="say whether the configuration is right, and end")


def run(args: Namespace) -> int:
    """Run the daemon until it is told to end; return the exit status."""
    try:
        read = _reader(args)
        configured = read()
        web = configured.web
        if args.check_config:
            sys.stdout.write("the configuration is right\n")
            return 0
        require_descriptors()
        logs.configure(configured["log.level"], configured["log.format"])
        _run_until_stopped(configured, web, read)
    except ResolvtraceError as error:
        sys.stderr.write(f"resolvtrace daemon: {printable(str(error))}\n")
        return _FAILED
    return 0


class _EarlyStop:
    """Takes the signals until the event loop does. It only notes them: an exception from a handler comes anywhere."""

    def __init__(self) -> None:
        self._told = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._told = True

    def __call__(self) -> bool:
        """Whether it was told to end."""
        return self._told


def _run_until_stopped(configured: Configuration, web: WebConfig, read: Callable[[], Configuration]) -> None:
    early = _EarlyStop()
    tracer = Tracer(configured.settings, stopped=early)
    try:
        asyncio.run(_Daemon(tracer, configured, web, read).run(early))
    except StoppedError:
        _LOG.info("stopped before it was ready")
    finally:
        tracer.close()


def _reader(args: Namespace) -> Callable[[], Configuration]:
    flags: dict[str, Any] = {
        key.name: value for key in KEYS if key.flag and (value := getattr(args, key.name)) is not None
    }
    return lambda: configuration.load(args.config, flags)


class _Daemon:
    """The tracer, and what shows it, in one event loop."""

    def __init__(
        self, tracer: Tracer, configured: Configuration, web: WebConfig, read: Callable[[], Configuration]
    ) -> None:
        self._tracer = tracer
        self._configured = configured
        self._web_config = web
        self._read = read
        self._stop = False
        self._woken: asyncio.Future[None] | None = None
        self._web: WebServer | None = None
        self._service = Service()

    async def run(self, early: _EarlyStop) -> None:
        """Start, serve, tick until told to end, stop."""
        # Imported while the loader's child compiles.
        from exporter.feed import FeedError, FeedServer  # noqa: PLC0415
        from exporter.web import WebError, WebServer  # noqa: PLC0415

        loop = asyncio.get_running_loop()
        records = self._tracer.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        if early():
            raise StoppedError
        try:
            async with AsyncExitStack() as running:
                loop.add_reader(records, self._tracer.consume)
                running.callback(loop.remove_reader, records)
                self._tracer.turn()
                self._tracer.wait_for_programs()
                self._tracer.tick()
                web = await WebServer.start(
                    self._tracer.snapshot,
                    self._configured["web.listen_address"],
                    telemetry_path=self._configured["web.telemetry_path"],
                    config=self._web_config,
                )
                self._web = web
                running.push_async_callback(web.close)
                feed = await FeedServer.start(self._tracer.snapshot, self._configured["socket"])
                running.push_async_callback(feed.close)
                if not self._tracer.drop_privileges():
                    _LOG.warning("privileges kept", why="this kernel wants CAP_BPF for reading maps")
                self._service.ready()
                self._report()
                _LOG.info("ready", address="{}:{}".format(*web.address), socket=self._configured["socket"])
                await self._follow(loop, running.enter_context(ThreadPoolExecutor(1, "tick")))
                self._service.stopping()
        except (WebError, FeedError) as error:
            problem, _, remedy = str(error).partition(": ")
            raise ResolvtraceError(problem, remedy) from error
        _LOG.info("stopped")

    async def _follow(self, loop: asyncio.AbstractEventLoop, waiting: ThreadPoolExecutor) -> None:
        next_tick = loop.time() + _TICK_SECONDS
        while not self._stop:
            self._service.alive()
            self._tracer.look()
            if loop.time() >= next_tick:
                next_tick = max(next_tick + _TICK_SECONDS, loop.time())
                await self._tick(loop, waiting)
            await self._pause(loop, min(_LOOK_SECONDS, max(0.0, next_tick - loop.time())))

    async def _pause(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Wait, but not longer than until told to end; asyncio's own time-outs cost half as much again each time."""
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
        self._report()

    def _report(self) -> None:
        """Tell systemd how it fares: what `systemctl status` shows."""
        stale, tracked = self._tracer.stale, self._tracer.tracked
        self._service.status(
            f"{stale} stale, of {tracked} tracked" if stale else f"nothing is stale, {tracked} tracked"
        )

    def _reload(self) -> None:
        self._service.reloading()
        self._read_again()
        self._service.ready()

    def _read_again(self) -> None:
        try:
            configured = self._read()
            web = configured.web
        except ResolvtraceError as error:
            _LOG.error("configuration not reloaded: the old one stays", error=str(error))
            return
        self._tracer.set_policy(configured.policy)
        self._web_config = web
        if self._web is not None:
            self._web.config = web
        needing_start = [key.name for key in KEYS if not key.name.startswith("verdict.")]
        fixed = [name for name in needing_start if configured[name] != self._configured[name]]
        _LOG.info("configuration reloaded", **({"needs_restart": ",".join(fixed)} if fixed else {}))
