"""``resolvtrace daemon``: trace and serve, in the foreground.

Exits with status 0 on SIGTERM and SIGINT; 1 if it cannot start, with one line that says why and what to do.
"""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from exporter.config.options import DEFAULT_FILE, OPTIONS
from exporter.imports import without_module
from tracer.child_processes import ChildProcesses

if TYPE_CHECKING:
    from exporter.config.configuration import Configuration


def prepare_parser(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.usage = "resolvtrace daemon [-h] [OPTION ...]"
    parser.add_argument("--config", metavar="FILE", type=Path, help=f"configuration file, TOML ({DEFAULT_FILE})")
    for option in OPTIONS:
        if option.flag is None:
            continue
        if option.default is False:
            parser.add_argument(option.flag, dest=option.name, action="store_true", default=None, help=option.help)
        else:
            parser.add_argument(
                option.flag,
                dest=option.name,
                metavar=option.metavar or "|".join(option.choices),
                choices=option.choices or None,
                help=f"{option.help} ({option.default})" if option.default else option.help,
            )
    parser.add_argument("--check-config", action="store_true", help="check the configuration and exit")


def run(args: Namespace) -> int:
    """Run the daemon until a signal; return the exit status."""
    if args.check_config:
        configured = _reader(args)()
        configured.check_here()
        _ = configured.web
        sys.stdout.write("configuration OK\n")
    else:
        _run_until_stopped(args)
    return 0


class _EarlyStop:
    """Handles signals until the event loop does. It only sets a flag: an exception could come anywhere."""

    def __init__(self) -> None:
        self._stopped = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._stopped = True

    def __call__(self) -> bool:
        """Whether a signal came."""
        return self._stopped


def _run_until_stopped(args: Namespace) -> None:
    early = _EarlyStop()
    children = ChildProcesses()  # before the imports below, which take most of the daemon's memory
    try:
        # structlog imports rich, if it is installed, for tracebacks on a terminal: 4 MB, and 50 ms.
        with without_module("rich"):
            from exporter import daemon, logs  # noqa: PLC0415
        read = _reader(args)
        configured = read()
        logs.configure(configured["log.level"], configured["log.format"])
        daemon.serve(configured, read, children, early)
    finally:
        children.close()


def _reader(args: Namespace) -> Callable[[], Configuration]:
    from exporter.config import configuration  # noqa: PLC0415 - after the children

    flags: dict[str, Any] = {
        option.name: value for option in OPTIONS if option.flag and (value := getattr(args, option.name)) is not None
    }
    return lambda: configuration.load(args.config, flags)
