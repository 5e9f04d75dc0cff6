"""``resolvtrace demo``: the stale-resolver experiment, live, in private namespaces, against the real probes.

Exit status: 0 the flag behaved as it must; 1 it did not, or the demo could not run: one line says why, and the end of
the daemon's log follows; 2 wrong usage; 128 plus the signal's number if a signal stopped it.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from exporter.demo.errors import DemoError, Interrupted
from exporter.demo.lab import LabError
from exporter.demo.narrator import Narrator
from exporter.demo.requirements import require
from exporter.demo.scenario import run_demo
from exporter.escape import printable

__all__ = ["prepare_parser", "run"]

_FAILED = 1
_SIGNALLED = 128


def prepare_parser(_: ArgumentParser) -> None:
    """Add nothing: the demo has no options."""


def run(_: Namespace) -> int:
    """Run the demo; return the exit status."""
    try:
        require()
        run_demo(Narrator(sys.stdout))
    except DemoError as error:
        _complain(str(error))
        if error.log:
            sys.stderr.write("the end of the daemon's log:\n")
            sys.stderr.writelines(f"  {printable(line)}\n" for line in error.log.splitlines())
        return _FAILED
    except (LabError, TimeoutError) as error:
        _complain(f"cannot set up the private namespaces: {error}")
        return _FAILED
    except Interrupted as interrupted:
        _complain("stopped; everything it had started is removed")
        return _SIGNALLED + interrupted.number
    return 0


def _complain(message: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"resolvtrace demo: {printable(message)}\n")
