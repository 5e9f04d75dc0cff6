"""The demo's own `resolvtrace daemon`, with the real probes, separate from the machine's daemon."""

from __future__ import annotations

import http.client
import os
import re
import sys
from contextlib import suppress
from types import TracebackType
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from exporter.demo.errors import DemoError
from exporter.demo.lab import Program, World, wait_until
from exporter.demo.sample import Gauges
from exporter.feed.client import NoDaemon, fetch_snapshot
from tracer.report.snapshot import Snapshot

GRACE_SECONDS = 2
_PLACE = "/run/resolvtrace"
_READY = re.compile(r"event=ready address=(\S+)")
_READY_SECONDS = 20.0
_ANSWER_SECONDS = 5.0
_END_SECONDS = 10.0
"""Measured: 1.25 s from SIGKILL to the exit, most of it in the kernel, detaching the probes one by one."""
_LOG_LINES = 12
_PREFIX = "resolvtrace daemon: "


class PrivateDaemon:
    """A running daemon. Its socket, state and configuration are in the world's own /run, and removed with the world.

    It runs outside of the world, like any resolvtrace, and reaches these files through the world's root. It exits
    with the process that started it, even after SIGKILL.
    """

    def __init__(self, world: World) -> None:
        place = world.path(_PLACE)
        place.mkdir()
        config = place / "resolvtrace.toml"
        config.write_text(f"[verdict]\ngrace_seconds = {GRACE_SECONDS}\n")
        self._socket = str(place / "socket")
        self._command = [
            *("setpriv", "--pdeathsig", "KILL", "--"),
            # -P: no module of the working directory shadows one of ours
            *(sys.executable, "-P", "-m", "exporter.cli", "daemon", "--config", str(config)),
            *("--socket", self._socket, "--state-dir", str(place / "state"), "--web.listen-address", "127.0.0.1:0"),
        ]
        self._program: Program
        self._address: str

    def __enter__(self) -> Self:
        """Start it and wait until it is ready. Raises DemoError with its message if it does not start."""
        # It needs this process's module path, which only the launcher of an installed tree knows.
        self._program = Program(self._command, os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
        try:
            wait_until(
                lambda: self._ready() or self._program.poll() is not None, _READY_SECONDS, "the daemon to be ready"
            )
        except TimeoutError as error:
            raise self._stopped(DemoError(f"the daemon is not ready after {_READY_SECONDS:g} s", self.log())) from error
        except BaseException:
            self._program.stop()
            raise
        ready = self._ready()
        if ready is None:
            words = self.log().splitlines() or ["no message"]
            raise self._stopped(DemoError(f"the daemon does not start: {words[-1].removeprefix(_PREFIX)}"))
        self._address = ready
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._program.stop()

    def log(self) -> str:
        """Return the last lines of its log."""
        return "\n".join(self._program.output().splitlines()[-_LOG_LINES:])

    def check(self) -> Snapshot:
        """Fetch the snapshot as `check --json` does. Raises DemoError if it does not answer."""
        try:
            return fetch_snapshot(self._socket, _ANSWER_SECONDS)
        except NoDaemon as error:
            raise self._no_answer(str(error)) from error

    def gauges(self) -> Gauges:
        """Scrape /metrics as Prometheus does. Raises DemoError if it does not answer."""
        connection = http.client.HTTPConnection(self._address, timeout=_ANSWER_SECONDS)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise self._no_answer(f"/metrics: {error}") from error
        finally:
            connection.close()
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def _stopped(self, error: DemoError) -> DemoError:
        self._program.stop()
        return error

    def _ready(self) -> str | None:
        found = _READY.search(self._program.output())
        return found[1] if found else None

    def _no_answer(self, why: str) -> DemoError:
        with suppress(TimeoutError):  # a killed one closes its socket before it exits
            wait_until(lambda: self._program.poll() is not None, _END_SECONDS, "the daemon to exit")
            return DemoError(f"the daemon exited during the demo with status {self._program.poll()}", self.log())
        return DemoError(f"the daemon does not answer: {why}", self.log())
