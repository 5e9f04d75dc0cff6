"""``resolvtrace demo``: the stale-resolver experiment, live, in private namespaces, against the real probes.

Exit status: 0 the flag behaved in every respect; 1 it did not, or the demo could not be run: one line says why, and
the end of the daemon's log follows; 2 wrong usage; 128 and the signal's number where one stopped it.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from exporter.demonstration import Narrator, Stopped, Trouble, perform, require
from exporter.escape import printable
from exporter.lab import LabError

__all__ = ["prepare_parser", "run"]

_FAILED = 1
_SIGNALLED = 128


def prepare_parser(_: ArgumentParser) -> None:
    """Add nothing: the demo has no options."""


def run(_: Namespace) -> int:
    """Run the demo; return the exit status."""
    try:
        require()
        perform(Narrator(sys.stdout))
    except Trouble as trouble:
        _complain(str(trouble))
        if trouble.log:
            sys.stderr.write("the end of the daemon's log:\n")
            sys.stderr.writelines(f"  {printable(line)}\n" for line in trouble.log.splitlines())
        return _FAILED
    except (LabError, TimeoutError) as error:
        _complain(f"the private world cannot be made: {error}")
        return _FAILED
    except Stopped as stopped:
        _complain("stopped; everything it had started is removed")
        return _SIGNALLED + stopped.number
    return 0


def _complain(message: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"resolvtrace demo: {printable(message)}\n")
