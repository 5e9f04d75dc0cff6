"""``resolvtrace top``: the daemon's table, live. It needs no root, only access to the daemon's socket.

Exit status: 0, 2 wrong usage, 3 no daemon answers at the start.
"""

from __future__ import annotations

import math
import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace

from exporter.commands.arguments import add_socket
from exporter.feed.client import fetch_table
from exporter.top.arrangement import Arrangement

__all__ = ["prepare_parser", "run"]


def prepare_parser(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "-b", "--batch", action="store_true", help="print plain samples, the default without a terminal"
    )
    parser.add_argument("-n", "--samples", metavar="N", type=_samples, help="print N plain samples and exit")
    parser.add_argument(
        "-d", "--delay", metavar="SECONDS", type=_seconds, default=1.0, help="seconds between samples (1)"
    )
    parser.add_argument("--stale", action="store_true", help="start with only what is stale")
    parser.add_argument("--group", action="store_true", help="start with one row for each unit and nameserver")
    parser.add_argument("--filter", metavar="WORDS", default="", help="start with only rows that contain these words")
    parser.add_argument("--ascii", action="store_true", help="use only ASCII characters")
    add_socket(parser)


def run(args: Namespace) -> int:
    """Show the table until the user quits; return the exit status."""
    arrangement = Arrangement(filter=args.filter, only_stale=args.stale, grouped=args.group)
    if args.batch or args.samples or not _on_a_terminal():
        from exporter.top.batch import print_samples  # noqa: PLC0415 - importing textual takes half a second

        print_samples(args.socket, args.samples, args.delay, arrangement)
        return 0
    first = fetch_table(args.socket)
    if os.environ.get("NO_COLOR") == "":
        del os.environ["NO_COLOR"]  # no-color.org: an empty value does not count
    from exporter.top.app import Top  # noqa: PLC0415 - as above

    Top(args.socket, args.delay, first, arrangement, ascii_only=args.ascii).run()
    return 0


def _on_a_terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def _samples(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} must be an integer of at least 1")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.1 <= seconds <= 86400:  # noqa: PLR2004 - the daemon looks once a second; a day is long
        raise ArgumentTypeError(f"{text!r} must be a number of seconds from 0.1 to 86400")
    return seconds
