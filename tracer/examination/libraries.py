"""The libraries of the distribution: bcc, asked in a process of its own, since it brings a compiler along."""

from __future__ import annotations

import subprocess
import sys

from tracer.examination.finding import Finding, fail, ok

__all__ = ["bcc"]

_SECONDS = 20
# The package index has another project of that name. attach_type is what programs on cgroups are loaded with.
_ASK = """
import bcc, inspect
assert "attach_type" in inspect.signature(bcc.BPF.load_func).parameters, "too old: BPF.load_func() has no attach_type"
print(bcc.__version__)
"""
_REMEDY = "apt install python3-bpfcc; and run with the distribution's own Python, as make setup does"


def bcc(python: str = sys.executable) -> Finding:
    """Import bcc as the loader does, and tell its version."""
    try:
        # -P: no module of the working directory is taken for it
        done = subprocess.run(
            [python, "-P", "-c", _ASK], check=False, capture_output=True, text=True, errors="replace", timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return fail("bcc", f"cannot be asked for its version ({error})", _REMEDY)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        return fail("bcc", f"cannot be used ({why})", _REMEDY)
    return ok("bcc", f"version {done.stdout.strip()}")
