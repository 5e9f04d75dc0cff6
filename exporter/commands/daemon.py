"""``resolvtrace daemon``: trace and serve, in the foreground.

Ends with status 0 on SIGTERM and SIGINT; 1 where it cannot start, with one line that says why and what to do.
"""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from exporter.escape import printable
from exporter.keys import DEFAULT_FILE, KEYS
from exporter.lean import absent
from tracer.errors import ResolvtraceError
from tracer.helpers import Helpers

if TYPE_CHECKING:
    from exporter.configuration import Configuration

_FAILED = 1


def prepare_parser(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.usage = "resolvtrace daemon [-h] [OPTION ...]"
    parser.add_argument("--config", metavar="FILE", type=Path, help=f"configuration, in TOML ({DEFAULT_FILE})")
    for key in KEYS:
        if key.flag is None:
            continue
        if key.default is False:
            parser.add_argument(key.flag, dest=key.name, action="store_true", default=None, help=key.help)
        else:
            parser.add_argument(
                key.flag,
                dest=key.name,
                metavar=key.metavar or "|".join(key.choices),
                choices=key.choices or None,
                help=f"{key.help} ({key.default})" if key.default else key.help,
            )
    parser.add_argument("--check-config", action="store_true", help="say whether the configuration is right, and end")


def run(args: Namespace) -> int:
    """Run the daemon until it is told to end; return the exit status."""
    try:
        if args.check_config:
            _ = _reader(args)().web
            sys.stdout.write("the configuration is right\n")
        else:
            _run_until_stopped(args)
    except ResolvtraceError as error:
        sys.stderr.write(f"resolvtrace daemon: {printable(str(error))}\n")
        return _FAILED
    return 0


class _EarlyStop:
    """Takes the signals until the event loop does. It only notes them: an exception from a handler comes anywhere."""

    def __init__(self) -> None:
        self._told = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._told = True

    def __call__(self) -> bool:
        """Whether it was told to end."""
        return self._told


def _run_until_stopped(args: Namespace) -> None:
    early = _EarlyStop()
    helpers = Helpers()  # before the imports below, which are most of what the daemon holds
    try:
        # structlog takes rich for tracebacks on a terminal, where it is there: 4 MB, and a twentieth of a second.
        with absent("rich"):
            from exporter import daemon, logs  # noqa: PLC0415
        read = _reader(args)
        configured = read()
        logs.configure(configured["log.level"], configured["log.format"])
        daemon.serve(configured, read, helpers, early)
    finally:
        helpers.close()


def _reader(args: Namespace) -> Callable[[], Configuration]:
    from exporter import configuration  # noqa: PLC0415 - not before the helpers

    flags: dict[str, Any] = {
        key.name: value for key in KEYS if key.flag and (value := getattr(args, key.name)) is not None
    }
    return lambda: configuration.load(args.config, flags)
