"""``resolvtrace check``: one look, for people and scripts.

Exit status: 0 nothing stale, 1 something stale, 2 wrong usage, 3 no daemon answers; with ``--nagios`` that of the
plugin convention: 0 OK, 1 warning, 2 critical, 3 unknown.
"""

from __future__ import annotations

import json
import shutil
import sys
from argparse import ArgumentParser, Namespace
from enum import IntEnum

from exporter.commands.arguments import add_socket, unit_format
from exporter.feed.client import NoDaemon, fetch_json, fetch_textfile, snapshot_of
from exporter.text.report import report, worth_a_look
from tracer.report.snapshot import Snapshot
from tracer.verdict.states import State

__all__ = ["ExitStatus", "prepare_parser", "run"]


class ExitStatus(IntEnum):
    """The exit status; 2, wrong usage, is argparse's, and 3 NoDaemon's."""

    CLEAN = 0
    STALE = 1


def prepare_parser(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.usage = "resolvtrace check [-h] [FORM | --all] [--socket PATH]"
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the snapshot as JSON, schema resolvtrace/1")
    form.add_argument("--openmetrics", action="store_true", help="print the metrics, for the textfile collector")
    form.add_argument("--nagios", action="store_true", help="print one line and exit like a Nagios plugin (0, 1, 2, 3)")
    form.add_argument("--services", action="store_true", help="print the units to restart, one a line")
    form.add_argument(
        "--print",
        metavar="FORMAT",
        type=unit_format,
        help="print FORMAT for each unit to restart, with %%s replaced by its name",
    )
    form.add_argument("--all", action="store_true", help="show every tracked process")
    add_socket(parser)


def run(args: Namespace) -> int:
    """Print the report; return the exit status."""
    try:
        form = fetch_json(args.socket)
        check = snapshot_of(form, args.socket)
        metrics = fetch_textfile(args.socket) if args.openmetrics else ""
    except NoDaemon as error:
        if not args.nagios:
            raise
        from exporter.text.nagios import no_answer  # noqa: PLC0415 - only this flag needs it

        status, line = no_answer(str(error))
        sys.stdout.write(line)
        return status
    if args.nagios:
        from exporter.text.nagios import nagios  # noqa: PLC0415 - only this flag needs it

        status, line = nagios(check)
        sys.stdout.write(line)
        return status
    sys.stdout.write(metrics or (json.dumps(form, indent=2) + "\n" if args.json else _text(args, check)))
    stale = any(process.state == State.STALE for process in worth_a_look(check))
    return ExitStatus.STALE if stale else ExitStatus.CLEAN


def _text(args: Namespace, check: Snapshot) -> str:
    if args.services or args.print is not None:
        from exporter.parts import parts, without_parts  # noqa: PLC0415 - only these flags need it
        from exporter.text.services import formatted, stale_services  # noqa: PLC0415 - as above

        stale = stale_services(check)
        services = without_parts(stale, parts(stale))
        lines = services if args.services else formatted(args.print, services)
        return "".join(f"{line}\n" for line in lines)
    width = shutil.get_terminal_size((0, 0)).columns or None
    return report(check, width, everything=args.all)
