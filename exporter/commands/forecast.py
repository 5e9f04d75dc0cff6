"""``resolvtrace forecast [ADDRESS...]``: who would stay with these nameservers if resolv.conf dropped them now.

Exit status: 0 nobody known would stay, 1 somebody would, 2 wrong usage, 3 no daemon answers, 4 nobody known would, but
of some it is not known, or no process is tracked yet.
"""

from __future__ import annotations

import json
import shutil
import sys
from argparse import ArgumentParser, Namespace
from enum import IntEnum

from exporter.commands.arguments import add_socket, address, unit_format
from exporter.feed.client import fetch_snapshot
from exporter.text.forecast import Forecast, Would, forecast
from exporter.text.forecast_report import as_json, report
from exporter.text.services import formatted, restartable
from tracer.report.snapshot import Snapshot

__all__ = ["ExitStatus", "prepare_parser", "run"]


class ExitStatus(IntEnum):
    """The exit status; 2, wrong usage, is argparse's, and 3 NoDaemon's."""

    NOBODY = 0
    SOMEBODY = 1
    UNKNOWN = 4


def prepare_parser(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.usage = "resolvtrace forecast [-h] [FORM | --all] [--socket PATH] [ADDRESS ...]"
    parser.add_argument(
        "addresses", metavar="ADDRESS", nargs="*", type=address, help="a nameserver (default: all that are listed)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the forecast as JSON, schema resolvtrace/1")
    form.add_argument("--services", action="store_true", help="print the units that would stay, one a line")
    form.add_argument(
        "--print",
        metavar="FORMAT",
        type=unit_format,
        help="print FORMAT for each unit that would stay, with %%s replaced by its name",
    )
    form.add_argument("--all", action="store_true", help="show who would follow, too")
    add_socket(parser)


def run(args: Namespace) -> int:
    """Print the forecast; return the exit status."""
    snapshot = fetch_snapshot(args.socket)
    found = forecast(snapshot, args.addresses)
    sys.stdout.write(_text(args, found, snapshot))
    return _status(found)


def _status(found: Forecast) -> ExitStatus:
    if found.that(Would.STAY):
        return ExitStatus.SOMEBODY
    if found.that(Would.UNKNOWN) or not found.tracked:
        return ExitStatus.UNKNOWN
    return ExitStatus.NOBODY


def _text(args: Namespace, found: Forecast, snapshot: Snapshot) -> str:
    if args.json:
        return json.dumps(as_json(found, snapshot), indent=2) + "\n"
    if args.services or args.print is not None:
        services = restartable(one.process for one in found.that(Would.STAY))
        return "".join(f"{line}\n" for line in (services if args.services else formatted(args.print, services)))
    width = shutil.get_terminal_size((0, 0)).columns or None
    return report(found, snapshot, width, everything=args.all)
