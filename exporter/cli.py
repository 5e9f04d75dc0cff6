"""The command ``resolvtrace``: imports the subcommand that was given, and only that one, and runs it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from exporter.escape import printable
from tracer.errors import ResolvtraceError
from tracer.version import VERSION

__all__ = ["COMMANDS", "build_parser", "main"]

COMMANDS = (
    ("daemon", "trace and serve, in the foreground"),
    ("top", "show who queries which nameserver, live"),
    ("check", "show who queries a nameserver that resolv.conf no longer lists"),
    ("explain", "show the evidence on one process, and what to do"),
    ("who", "show who uses a nameserver: may it be switched off?"),
    ("forecast", "show who would stay with a nameserver if it were removed"),
    ("wait", "wait until it is known who follows the last change"),
    ("events", "show what happens, as it happens: one JSON object a line"),
    ("doctor", "check this machine: what works, what is missing, what to do"),
    ("demo", "run the experiment, live, in private namespaces"),
)
"""Name of each module of :mod:`exporter.commands`, and its line in ``--help``."""

_INTERRUPTED = 130
_BROKEN_PIPE = 141
"""What a shell reports of a program killed by SIGINT or SIGPIPE."""


class _Command(Protocol):
    def prepare_parser(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


class _Help(argparse.HelpFormatter):
    """Options and their help on one line, so that a command's help fits a screen."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34)


class _Version(argparse.Action):
    """Print the version and exit."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        sys.stdout.write(f"resolvtrace {VERSION}\n")
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand that ``arguments`` (or the command line) names; return its exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    # Output may contain any character; one that the terminal's encoding lacks is shown as an escape.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    wanted = next((word for word in words if not word.startswith("-")), None)
    known = [name for name, _ in COMMANDS if name == wanted]
    parser, _ = build_parser(known)
    args = parser.parse_args(words)
    if not known:
        parser.error("a command is required")
    return _run(_module(known[0]), args)


def build_parser(wanted: Sequence[str]) -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the parser, and the commands' parsers by name; only those of ``wanted`` have their options."""
    parser = argparse.ArgumentParser(
        prog="resolvtrace",
        description="Shows who still queries a nameserver that resolv.conf no longer lists.",
        epilog="See resolvtrace COMMAND --help, and resolvtrace(1).",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    made = {}
    for name, summary in COMMANDS:
        made[name] = command = commands.add_parser(
            name, help=summary, description=_sentence(summary), formatter_class=_Help
        )
        if name in wanted:
            _module(name).prepare_parser(command)
    return parser, made


def _sentence(summary: str) -> str:
    return summary[0].upper() + summary[1:] + ("" if summary.endswith("?") else ".")


def _module(name: str) -> _Command:
    return cast("_Command", import_module(f"exporter.commands.{name}"))


def _run(module: _Command, args: argparse.Namespace) -> int:
    try:
        status = _status(module, args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python reports an error as it exits
        return _BROKEN_PIPE
    return status


def _status(module: _Command, args: argparse.Namespace) -> int:
    """Run a command; what ends it is reported in one line."""
    try:
        return module.run(args)
    except ResolvtraceError as error:
        sys.stdout.flush()
        sys.stderr.write(f"resolvtrace {args.command}: {printable(str(error))}\n")
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main())
