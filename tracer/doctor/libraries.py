"""The libraries of the distribution: bcc, imported in a process of its own, since it brings a compiler along."""

from __future__ import annotations

import subprocess
import sys

from tracer.doctor.finding import Finding, fail, ok
from tracer.kernel.bcc_package import INSTALL_BCC

__all__ = ["bcc"]

_SECONDS = 120
"""A second's work. Only a bcc that hangs is one that cannot be used: an emulated machine takes its time."""
# attach_type is what programs on cgroups are loaded with.
_ASK = """
import bcc, inspect
assert "attach_type" in inspect.signature(bcc.BPF.load_func).parameters, "too old: BPF.load_func() has no attach_type"
print(bcc.__version__)
"""


def bcc(python: str = sys.executable) -> Finding:
    """Import bcc as the loader does, and tell its version."""
    try:
        # -P: no module of the working directory is taken for it
        done = subprocess.run(
            [python, "-P", "-c", _ASK], check=False, capture_output=True, text=True, errors="replace", timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return fail("bcc", f"its version cannot be read ({error})", INSTALL_BCC)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        return fail("bcc", f"cannot be used ({why})", INSTALL_BCC)
    return ok("bcc", f"version {done.stdout.strip()}")
