"""``resolvtrace who ADDRESS``: who uses this nameserver, and when last: "may I switch it off?".

Exit status: 0 nobody uses it any more, 1 somebody does, 2 wrong usage, 3 nobody can say yet (not watched for long
enough, or a quiet process may use it again), or no daemon answers.
"""

from __future__ import annotations

import json
import shutil
import sys
from argparse import ArgumentParser, Namespace

from exporter.commands.arguments import add_socket, address, duration
from exporter.feed.client import fetch_snapshot
from exporter.text.nameserver_users import Answer, find_users
from exporter.text.who_report import as_json, report

__all__ = ["prepare_parser", "run"]

_STATUS = {Answer.NO: 0, Answer.YES: 1, Answer.MAYBE: 3, Answer.TOO_EARLY: 3}
_DAY = "1d"


def prepare_parser(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("address", metavar="ADDRESS", type=address, help="the nameserver, IPv4 or IPv6")
    parser.add_argument(
        "--since",
        metavar="DURATION",
        type=duration,
        default=_DAY,
        help="period the answer must cover: 90s, 30m, 12h, 7d (%(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the answer as JSON, schema resolvtrace/1")
    add_socket(parser)


def run(args: Namespace) -> int:
    """Print the answer; return the exit status."""
    check = fetch_snapshot(args.socket)
    found = find_users(check, args.address, args.since)
    if args.json:
        sys.stdout.write(json.dumps(as_json(found, check), indent=2) + "\n")
    else:
        width = shutil.get_terminal_size((0, 0)).columns or None
        sys.stdout.write(report(found, check, args.since, width))
    return _STATUS[found.answer]
