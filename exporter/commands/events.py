"""``resolvtrace events``: what happens, as it happens, one JSON object a line (schema ``resolvtrace/events/1``).

It goes on until it is interrupted, and connects again when the daemon is restarted. Exit status: 2 wrong usage, 3 no
daemon answers at the start.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace

from exporter.commands.arguments import add_socket, duration
from exporter.escape import printable
from exporter.feed.event_client import follow_events

__all__ = ["prepare_parser", "run"]


def prepare_parser(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "--since",
        metavar="DURATION",
        type=duration,
        help="begin with what happened in this period: 90s, 30m, 12h, 7d",
    )
    add_socket(parser)


def run(args: Namespace) -> int:
    """Print events until it is interrupted. Raises NoDaemon if none answers at the start."""
    for event in follow_events(args.socket, args.since, _note):
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()
    return 0


def _note(text: str) -> None:
    sys.stderr.write(f"resolvtrace events: {printable(text)}\n")
