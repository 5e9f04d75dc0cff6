"""``resolvtrace wait``: return when it is known of everybody concerned who follows the last change.

Exit status: 0 decided and nothing stale, 1 decided and something stale, 2 wrong usage, 3 no daemon answers (any more),
4 not decided within the time.
"""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser, Namespace

from exporter.commands.arguments import add_socket, duration
from exporter.feed.change_status import ChangeStatus
from exporter.feed.client import NoDaemon, fetch_change
from exporter.text.wait_report import Waited, as_json, last_line, progress

__all__ = ["prepare_parser", "run"]

_DECIDED, _STALE, _UNDECIDED = 0, 1, 4
_NOTICED_AFTER = 2_000_000_000
"""Nanoseconds after which the daemon knows of a change that was made before: it looks within half a second, waits up to
half a second for a writer to finish, and counts once a second."""
_EVERY_SECONDS = 0.5
_RESTART_SECONDS = 5.0
"""How long a daemon that went away may take to come back."""


def prepare_parser(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "--timeout",
        metavar="DURATION",
        type=duration,
        default="2m",
        help="give up after this time: 90s, 2m, 1h (%(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON, schema resolvtrace/1")
    add_socket(parser)


def run(args: Namespace) -> int:
    """Wait; print the outcome; return the exit status."""
    shown = _Progress()
    try:
        waited = _wait(args.socket, args.timeout, shown)
    finally:
        shown.clear()
    sys.stdout.write(json.dumps(as_json(waited), indent=2) + "\n" if args.json else last_line(waited) + "\n")
    if not waited.decided:
        return _UNDECIDED
    return _STALE if waited.status.stale else _DECIDED


class _Progress:
    """One line on standard error, rewritten in place, if that is a terminal."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()

    def show(self, text: str) -> None:
        if self._is_terminal:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def clear(self) -> None:
        self.show("")


def _wait(path: str, timeout: int, shown: _Progress) -> Waited:
    """Wait until everybody is decided or the time is over. Raises NoDaemon."""
    deadline = time.monotonic() + timeout
    status = fetch_change(path)
    first, seen = status.time, set[int]()
    while True:
        exited = seen - set(status.tracked)
        seen |= {user.pid for user in status.undecided} | {user.pid for user in status.stale}
        is_known = status.time - first >= _NOTICED_AFTER
        if is_known and not status.undecided:
            return Waited(status, exited, decided=True, timeout=timeout)
        if time.monotonic() >= deadline:
            return Waited(status, exited, decided=False, timeout=timeout)
        shown.show(progress(status))
        time.sleep(min(_EVERY_SECONDS, max(deadline - time.monotonic(), 0)))
        status = _fetch_again(path, deadline, shown)


def _fetch_again(path: str, deadline: float, shown: _Progress) -> ChangeStatus:
    """Ask again; a daemon that is being restarted has some seconds to come back. Raises NoDaemon."""
    give_up = min(time.monotonic() + _RESTART_SECONDS, deadline)
    while True:
        try:
            return fetch_change(path)
        except NoDaemon as error:
            if time.monotonic() >= give_up:
                raise NoDaemon(f"the daemon went away during the wait ({error.problem})", error.remedy) from error
        shown.show("the daemon went away, waiting for it")
        time.sleep(_EVERY_SECONDS)
