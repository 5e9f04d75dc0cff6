"""``resolvtrace explain PID``: the evidence on one process, in order of time, and what to do.

Exit status: 0, 2 wrong usage, 3 no daemon answers, 4 no such process is tracked.
"""

from __future__ import annotations

import json
import shutil
import sys
from argparse import ArgumentParser, Namespace

from exporter.commands.arguments import add_socket
from exporter.feed.client import fetch_snapshot
from exporter.feed.serialization import rfc3339
from exporter.text.explanation import as_json, explanation

__all__ = ["prepare_parser", "run"]

_NOT_TRACKED = 4


def prepare_parser(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("pid", metavar="PID", type=int, help="the process ID, as seen on the host")
    parser.add_argument("--json", action="store_true", help="print it as JSON, schema resolvtrace/1")
    add_socket(parser)


def run(args: Namespace) -> int:
    """Print the evidence; return the exit status."""
    check = fetch_snapshot(args.socket, pid=args.pid)
    process = next(iter(check.processes), None)
    if process is None:
        sys.stderr.write(
            f"resolvtrace explain: process {args.pid} is not tracked: it has exited, or sent no query since "
            f"{rfc3339(check.watching_since)}: see resolvtrace check --all\n"
        )
        return _NOT_TRACKED
    if args.json:
        sys.stdout.write(json.dumps(as_json(check, process), indent=2) + "\n")
    else:
        sys.stdout.write(explanation(check, process, shutil.get_terminal_size((0, 0)).columns or None))
    return 0
