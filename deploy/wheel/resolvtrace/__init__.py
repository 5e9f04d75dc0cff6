"""The command resolvtrace as a wheel installs it.

The wheel holds one package, this one, and the whole tree inside it: ``tracer`` and ``exporter`` as top-level packages
would collide with other projects' (DNF's plugin *tracer* is one). Here they are found on a path that this program alone
has, as ``deploy/launcher`` does it.
"""

import sys
from importlib import import_module
from pathlib import Path

__all__ = ["main"]


def main() -> int:
    """Run the command line; return its exit status."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    status: int = import_module("exporter.cli").main()
    return status
