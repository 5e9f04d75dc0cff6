"""A `resolvtrace daemon` of the demo's own: the real one, with the real probes, and nothing of the machine's."""

from __future__ import annotations

import http.client
import os
import re
import sys
from contextlib import suppress
from types import TracebackType
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from exporter.client import NoDaemon, fetch_snapshot
from exporter.demonstration.sample import Gauges
from exporter.demonstration.trouble import Trouble
from exporter.lab import Program, World, wait_until
from exporter.wire import Check

GRACE_SECONDS = 2
_PLACE = "/run/resolvtrace"
_READY = re.compile(r"event=ready address=(\S+)")
_READY_SECONDS = 20.0
_ANSWER_SECONDS = 5.0
_END_SECONDS = 10.0
"""Measured: 1.25 s from SIGKILL to the end, most of it the kernel's, detaching the probes one by one."""
_LOG_LINES = 12
_PREFIX = "resolvtrace daemon: "


class PrivateDaemon:
    """A running daemon. Its socket, state and configuration lie in the world's own /run, and go with the world.

    It runs outside of the world, like any resolvtrace; the path through the world's root leads it there. It dies
    with the process that started it, even by SIGKILL.
    """

    def __init__(self, world: World) -> None:
        place = world.path(_PLACE)
        place.mkdir()
        config = place / "resolvtrace.toml"
        config.write_text(f"[verdict]\ngrace_seconds = {GRACE_SECONDS}\n")
        self._socket = str(place / "socket")
        self._command = [
            *("setpriv", "--pdeathsig", "KILL", "--"),
            # -P: no module of the working directory is taken for one of ours
            *(sys.executable, "-P", "-m", "exporter.cli", "daemon", "--config", str(config)),
            *("--socket", self._socket, "--state-dir", str(place / "state"), "--web.listen-address", "127.0.0.1:0"),
        ]
        self._program: Program
        self._address: str

    def __enter__(self) -> Self:
        """Start it and wait until it is ready. Raises Trouble with its own words where it is not."""
        # It finds the modules where this process does, which an installed tree's launcher has told to nobody else.
        self._program = Program(self._command, os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
        try:
            wait_until(lambda: self._ready() or self._program.poll() is not None, _READY_SECONDS, "it to be ready")
        except TimeoutError as error:
            raise self._stopped(Trouble(f"the daemon is not ready after {_READY_SECONDS:g} s", self.log())) from error
        except BaseException:
            self._program.stop()
            raise
        ready = self._ready()
        if ready is None:
            words = self.log().splitlines() or ["it says nothing"]
            raise self._stopped(Trouble(f"the daemon does not start: {words[-1].removeprefix(_PREFIX)}"))
        self._address = ready
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._program.stop()

    def log(self) -> str:
        """Return the last lines of its log."""
        return "\n".join(self._program.output().splitlines()[-_LOG_LINES:])

    def check(self) -> Check:
        """Ask for the snapshot as `check --json` does. Raises Trouble where it does not answer."""
        try:
            return fetch_snapshot(self._socket, _ANSWER_SECONDS)
        except NoDaemon as error:
            raise self._no_answer(str(error)) from error

    def gauges(self) -> Gauges:
        """Scrape /metrics as Prometheus does. Raises Trouble where it does not answer."""
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

    def _stopped(self, trouble: Trouble) -> Trouble:
        self._program.stop()
        return trouble

    def _ready(self) -> str | None:
        found = _READY.search(self._program.output())
        return found[1] if found else None

    def _no_answer(self, why: str) -> Trouble:
        with suppress(TimeoutError):  # one that was killed closes its socket before it is gone
            wait_until(lambda: self._program.poll() is not None, _END_SECONDS, "its end")
            return Trouble(f"the daemon ended during the demo, with status {self._program.poll()}", self.log())
        return Trouble(f"the daemon does not answer: {why}", self.log())
