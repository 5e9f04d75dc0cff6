"""``resolvtrace check``: one look, for people and scripts.

Exit status: 0 nothing stale, 1 something stale, 2 wrong usage, 3 no daemon answers.
"""

from __future__ import annotations

import json
import shutil
import sys
from argparse import ArgumentParser, Namespace
from enum import IntEnum

from exporter.client import DEFAULT_SOCKET, NoDaemon, fetch_snapshot
from exporter.escape import printable
from exporter.report import report, worth_a_look
from tracer.snapshot import State

__all__ = ["ExitStatus", "prepare_parser", "run"]


class ExitStatus(IntEnum):
    """What a script learns; 2, wrong usage, is argparse's."""

    CLEAN = 0
    STALE = 1
    NO_DAEMON = 3


def prepare_parser(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("--json", action="store_true", help="print the snapshot as JSON, schema resolvtrace/1")
    parser.add_argument("--all", action="store_true", help="give every tracked process a row")
    parser.add_argument("--socket", metavar="PATH", default=DEFAULT_SOCKET, help="the daemon's socket (%(default)s)")


def run(args: Namespace) -> int:
    """Print what the daemon knows; return the exit status."""
    try:
        check = fetch_snapshot(args.socket)
    except NoDaemon as error:
        sys.stderr.write(f"resolvtrace check: {printable(str(error))}\n")
        return ExitStatus.NO_DAEMON
    if args.json:
        sys.stdout.write(json.dumps(check, indent=2) + "\n")
    else:
        width = shutil.get_terminal_size((0, 0)).columns or None
        sys.stdout.write(report(check, width, everything=args.all))
    stale = any(process["state"] == State.STALE for process in worth_a_look(check))
    return ExitStatus.STALE if stale else ExitStatus.CLEAN
