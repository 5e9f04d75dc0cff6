"""A process for each root: it makes the root, runs the commands that it gets, and removes the root however it exits."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from tests.platforms import facts
from tests.platforms.errors import PlatformError
from tests.platforms.room import bare_root

_PR_SET_PDEATHSIG = 1
LOGS = Path(__file__).parents[1] / ".build/platforms"


@dataclass(frozen=True)
class Done:
    """A command that has exited."""

    suite: str
    command: str
    status: int
    seconds: float
    log: str
    """What it printed."""
    versions: dict[str, str] = field(default_factory=dict)
    """What the root is made of by then."""


class Keeper:
    """One root and its process, seen from outside. What is printed there goes to a log of its own."""

    def __init__(self, suite: str, log: Path, connection: Connection) -> None:
        self.suite = suite
        self.failed = False
        self._log = log
        self._connection = connection

    def run(self, command: str) -> Done:
        """Run a command there, and wait for it; one that cannot even be tried has status 1."""
        began, before = time.monotonic(), self._log.stat().st_size if self._log.exists() else 0
        try:
            self._connection.send(command)
            status, versions = self._connection.recv()
        except (EOFError, ConnectionError):
            status, versions = 1, {}
        with self._log.open("rb") as log:
            log.seek(before)
            text = log.read().decode(errors="replace")
        self.failed |= status != 0
        return Done(self.suite, command, status, time.monotonic() - began, text, versions)


@contextlib.contextmanager
def keeper(suite: str) -> Iterator[Keeper]:
    """Start the process of a suite's root; it exits with the block."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{suite}.log"
    log.unlink(missing_ok=True)
    # Not forked: it would keep the other keepers' connections open.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_keep, args=(suite, log, theirs), name=f"keeper-{suite}")
    process.start()
    theirs.close()
    try:
        yield Keeper(suite, log, ours)
    finally:
        ours.close()
        process.join()


def _keep(suite: str, log: Path, connection: Connection) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the connection closes when the parent exits
    # In the middle of a command nobody looks at the connection.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    try:
        with bare_root(suite) as room, contextlib.suppress(EOFError):
            while True:
                status = room.run(connection.recv())
                connection.send((status, facts.versions(room.root)))
    except PlatformError as error:
        print(f"{suite}: {error}", file=sys.stderr)
        sys.exit(1)
