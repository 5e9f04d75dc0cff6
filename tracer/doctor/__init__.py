"""What this machine offers to tracing, and lacks: one module to each subject.

Nothing here is tried that leaves a trace, and nothing fails for want of privileges: what cannot be looked at is a
finding too. Each takes the roots that it reads below (/proc, /sys, /run, /) as arguments.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tracer.doctor.bpf import bpf
from tracer.doctor.capabilities import capabilities
from tracer.doctor.filesystems import cgroup2, tracefs
from tracer.doctor.finding import Finding, Result, fail
from tracer.doctor.kernel import jit, lockdown, locked_memory, namespaces, version
from tracer.doctor.libraries import bcc
from tracer.doctor.nscd import nscd
from tracer.doctor.resolvfile import resolv_conf
from tracer.kernel.privileges import FOREIGN_PROC, MOUNT_PROC, is_own_proc

__all__ = ["Finding", "Result", "examine"]

_PROC, _SYS, _RUN = Path("/proc"), Path("/sys"), Path("/run")


def examine(*, tracing: bool) -> Iterator[Finding]:
    """Examine this machine. ``tracing``: a daemon runs on it with its probes attached, which proves what they need."""
    if not is_own_proc(_PROC):
        yield fail("proc", FOREIGN_PROC, MOUNT_PROC)
        return
    yield version(_PROC)
    yield from namespaces(_PROC)
    yield from lockdown(_SYS)
    yield from capabilities(_PROC, tracing=tracing)
    yield from bpf(_PROC, tracing=tracing)
    yield from jit(_PROC)
    yield locked_memory(_PROC)
    yield cgroup2(_PROC)
    yield from tracefs(_PROC, _SYS, tracing=tracing)
    yield bcc()
    yield from resolv_conf("/")
    yield nscd(_RUN)
