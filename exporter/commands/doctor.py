"""``resolvtrace doctor``: what works on this machine and what is missing, one line a finding, with the remedy.

Exit status: 0 all well, 1 warnings, 2 failures (or wrong usage).
"""

from __future__ import annotations

import json
import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

from exporter.commands.arguments import add_socket
from exporter.feed.client import NoDaemon, fetch_snapshot
from exporter.text.daemon_health import no_answer, of_answer, of_socket
from exporter.text.diagnosis import as_json, diagnosis
from tracer.doctor import Finding, Result, examine

__all__ = ["prepare_parser", "run"]

_STATUS = {Result.OK: 0, Result.WARN: 1, Result.FAIL: 2}


def prepare_parser(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("--json", action="store_true", help="print the findings as JSON, schema resolvtrace/1")
    add_socket(parser)


def run(args: Namespace) -> int:
    """Print the findings; return the exit status."""
    findings = list(_findings(args.socket))
    if args.json:
        sys.stdout.write(json.dumps(as_json(findings), indent=2) + "\n")
    else:
        sys.stdout.write(diagnosis(findings, shutil.get_terminal_size((0, 0)).columns or None))
    return max(_STATUS[finding.result] for finding in findings)


def _findings(path: str) -> Iterator[Finding]:
    try:
        check = fetch_snapshot(path)
    except NoDaemon as error:
        yield from examine(tracing=False)
        yield from of_socket(path)
        yield no_answer(path, error)
        return
    yield from examine(tracing=True)
    yield from of_socket(path)
    yield from of_answer(check)
