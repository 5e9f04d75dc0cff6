"""``resolvtrace who ADDRESS``: who uses this nameserver, and when last: "may I switch it off?".

Exit status: 0 nobody uses it any more, 1 somebody does, 2 wrong usage, 3 not watched long enough to say, or no daemon.
"""

from __future__ import annotations

import json
import shutil
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace

from exporter.client import DEFAULT_SOCKET, NoDaemon, fetch_snapshot
from exporter.durations import parse_duration
from exporter.escape import printable
from exporter.usage import Answer, usage_of
from exporter.usage_report import as_json, report
from tracer.addresses import canonical_text

__all__ = ["prepare_parser", "run"]

_STATUS = {Answer.NO: 0, Answer.YES: 1, Answer.TOO_EARLY: 3}
_NO_DAEMON = 3
_DAY = "1d"


def prepare_parser(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("address", metavar="ADDRESS", type=_address, help="the nameserver, IPv4 or IPv6")
    parser.add_argument(
        "--since",
        metavar="DURATION",
        type=_duration,
        default=_DAY,
        help="how far back the answer must reach: 90s, 30m, 12h, 7d (%(default)s, which takes in last night)",
    )
    parser.add_argument("--json", action="store_true", help="print the answer as JSON, schema resolvtrace/1")
    parser.add_argument("--socket", metavar="PATH", default=DEFAULT_SOCKET, help="the daemon's socket (%(default)s)")


def run(args: Namespace) -> int:
    """Print the answer; return the exit status."""
    try:
        check = fetch_snapshot(args.socket)
    except NoDaemon as error:
        sys.stderr.write(f"resolvtrace who: {printable(str(error))}\n")
        return _NO_DAEMON
    usage = usage_of(check, args.address, args.since)
    if args.json:
        sys.stdout.write(json.dumps(as_json(usage, check), indent=2) + "\n")
    else:
        width = shutil.get_terminal_size((0, 0)).columns or None
        sys.stdout.write(report(usage, check, args.since, width))
    return _STATUS[usage.answer]


def _address(text: str) -> str:
    try:
        return canonical_text(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no IPv4 or IPv6 address") from None


def _duration(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
