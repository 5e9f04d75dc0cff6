"""``resolvtrace check``: one look, for people and scripts.

Exit status: 0 nothing stale, 1 something stale, 2 wrong usage, 3 no daemon answers; with ``--nagios`` as that
convention has it: 0 OK, 1 warning, 2 critical, 3 unknown.
"""

from __future__ import annotations

import json
import shutil
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from enum import IntEnum

from exporter.client import DEFAULT_SOCKET, NoDaemon, fetch_snapshot, fetch_textfile
from exporter.escape import printable
from exporter.report import report, worth_a_look
from exporter.wire import Check
from tracer.snapshot import State

__all__ = ["ExitStatus", "prepare_parser", "run"]


class ExitStatus(IntEnum):
    """What a script learns; 2, wrong usage, is argparse's."""

    CLEAN = 0
    STALE = 1
    NO_DAEMON = 3


def prepare_parser(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.usage = "resolvtrace check [-h] [FORM | --all] [--socket PATH]"
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the snapshot as JSON, schema resolvtrace/1")
    form.add_argument("--openmetrics", action="store_true", help="print the metrics, for the textfile collector")
    form.add_argument("--nagios", action="store_true", help="print one line and end as Nagios plugins do (0, 1, 2, 3)")
    form.add_argument("--services", action="store_true", help="print the units to restart, one a line")
    form.add_argument(
        "--print", metavar="FORMAT", type=_form, help="print FORMAT for each unit to restart, with its name for %%s"
    )
    form.add_argument("--all", action="store_true", help="give every tracked process a row")
    parser.add_argument("--socket", metavar="PATH", default=DEFAULT_SOCKET, help="the daemon's socket (%(default)s)")


def _form(text: str) -> str:
    from exporter.scripting import formatted  # noqa: PLC0415 - for this flag alone

    try:
        formatted(text, [])
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    return text


def run(args: Namespace) -> int:
    """Print what the daemon knows; return the exit status."""
    try:
        check = fetch_snapshot(args.socket)
        metrics = fetch_textfile(args.socket) if args.openmetrics else ""
    except NoDaemon as error:
        return _no_daemon(args, str(error))
    if args.nagios:
        from exporter.nagios import nagios  # noqa: PLC0415 - for this flag alone

        status, line = nagios(check)
        sys.stdout.write(line)
        return status
    sys.stdout.write(metrics or _text(args, check))
    stale = any(process["state"] == State.STALE for process in worth_a_look(check))
    return ExitStatus.STALE if stale else ExitStatus.CLEAN


def _no_daemon(args: Namespace, message: str) -> int:
    if args.nagios:
        from exporter.nagios import no_answer  # noqa: PLC0415 - for this flag alone

        status, line = no_answer(message)
        sys.stdout.write(line)
        return status
    sys.stderr.write(f"resolvtrace check: {printable(message)}\n")
    return ExitStatus.NO_DAEMON


def _text(args: Namespace, check: Check) -> str:
    if args.json:
        return json.dumps(check, indent=2) + "\n"
    if args.services or args.print is not None:
        from exporter.scripting import formatted, stale_services  # noqa: PLC0415 - for these flags alone

        lines = formatted("%s" if args.services else args.print, stale_services(check))
        return "".join(f"{line}\n" for line in lines)
    width = shutil.get_terminal_size((0, 0)).columns or None
    return report(check, width, everything=args.all)
