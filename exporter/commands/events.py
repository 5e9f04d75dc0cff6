"""``resolvtrace events``: what happens, as it happens, one JSON object a line (schema ``resolvtrace/events/1``).

It goes on until it is interrupted, and connects again when the daemon is restarted. Exit status: 2 wrong usage, 3 no
daemon answers at the start.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace

from exporter.escape import printable
from exporter.feed.client import DEFAULT_SOCKET, NoDaemon
from exporter.feed.event_client import follow_events
from exporter.text.durations import parse_duration

__all__ = ["prepare_parser", "run"]

_NO_DAEMON = 3


def prepare_parser(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "--since",
        metavar="DURATION",
        type=_duration,
        help="begin with what happened in this period: 90s, 30m, 12h, 7d",
    )
    parser.add_argument("--socket", metavar="PATH", default=DEFAULT_SOCKET, help="the daemon's socket (%(default)s)")


def run(args: Namespace) -> int:
    """Print events; return the exit status if no daemon answers."""
    try:
        for event in follow_events(args.socket, args.since, _note):
            sys.stdout.write(json.dumps(event) + "\n")
            sys.stdout.flush()
    except NoDaemon as error:
        _note(str(error))
    return _NO_DAEMON


def _note(text: str) -> None:
    sys.stderr.write(f"resolvtrace events: {printable(text)}\n")


def _duration(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
