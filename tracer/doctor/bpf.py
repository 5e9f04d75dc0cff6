"""BPF: whether the kernel takes programs and a ring buffer, and whether the root cgroup is free."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

from tracer.doctor.capabilities import way_to_privileges
from tracer.doctor.finding import Finding, fail, ok, warn
from tracer.kernel import cgroup_attachments, feature_probes
from tracer.kernel.filesystems import find_cgroup2
from tracer.kernel.privileges import lacking
from tracer.kernel.programs import CGROUP_PROGRAMS

__all__ = ["bpf", "root_cgroup"]

_TRACEPOINT = 5  # BPF_PROG_TYPE_TRACEPOINT, linux/bpf.h
_FORBIDDEN = "kernel lockdown, a security module or a container's seccomp filter forbids it: look outside of that"


def bpf(proc: Path, *, tracing: bool) -> Iterator[Finding]:
    """Load programs that do nothing, of each kind that is needed; where that is not permitted, say so."""
    missing = lacking(status=proc / "self/status")
    if missing and tracing:
        yield ok("bpf", "not tried here; the daemon that runs has loaded its probes")
        return
    if missing:
        yield warn("bpf", f"cannot be tried without {', '.join(missing)}", way_to_privileges(proc))
        return
    found = [problem for trying in (_programs, _tracepoint, _ring) if (problem := trying()) is not None]
    problems = list(dict.fromkeys(found))  # what forbids one forbids all, and is reported once
    yield from problems or [ok("bpf", "programs on cgroups and tracepoints, and the ring buffer: tried, and they work")]
    if not problems and (root := find_cgroup2(proc / "self/mountinfo")):
        yield root_cgroup(root)


def _problem(what: str, remedy: str, trying: Callable[[], None]) -> Finding | None:
    try:
        trying()
    except OSError as error:
        if error.errno is None:
            return fail("bpf", f"libbpf cannot be loaded ({error})", "install it: apt install libbpf1")
        if error.errno in {errno.EPERM, errno.EACCES}:
            return fail("bpf", "the kernel refuses BPF, although this process has the capabilities", _FORBIDDEN)
        return fail("bpf", f"this kernel has no {what} ({error.strerror})", remedy)
    return None


def _programs() -> Finding | None:
    def trying() -> None:
        for program in CGROUP_PROGRAMS:
            feature_probes.try_program(program.program_type, program.attach_type)

    return _problem("BPF programs on cgroups", "boot a kernel with CONFIG_CGROUP_BPF and CONFIG_INET", trying)


def _tracepoint() -> Finding | None:
    return _problem(
        "BPF programs on tracepoints",
        "boot a kernel with CONFIG_BPF_EVENTS",
        lambda: feature_probes.try_program(_TRACEPOINT),
    )


def _ring() -> Finding | None:
    return _problem("BPF ring buffer", "boot Linux 6.1 or later with CONFIG_BPF_SYSCALL", feature_probes.try_ring)


def root_cgroup(root: Path) -> Finding:
    """Tell whether somebody holds a hook of the root for himself (bpf(2), BPF_F_ALLOW_MULTI)."""
    try:
        if holders := cgroup_attachments.sole_holders(str(root)):
            return fail("root cgroup", cgroup_attachments.described(holders), cgroup_attachments.REMEDY)
        others = sum(
            len(cgroup_attachments.attached_to(str(root), ours.attach_type).programs) for ours in CGROUP_PROGRAMS
        )
    except OSError as error:
        return warn("root cgroup", f"its programs cannot be listed ({error.strerror})", "bpftool cgroup tree")
    beside = f"; {others} attached by others, which allow that" if others else ""
    return ok("root cgroup", f"free for the daemon's programs{beside}")
