"""The kernel: its version, what restrains BPF in it, and whether this process sees the whole machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tracer.doctor.finding import Finding, fail, ok, warn
from tracer.kernel.privileges import FIRST_PID_NAMESPACE

__all__ = ["TRIED", "jit", "lockdown", "locked_memory", "namespaces", "version"]

_LEAST = (6, 1)
"""Hash maps take memory as it is needed, from any program: before, PREEMPT_RT refused that, and others warned."""
TRIED = "6.1, 6.12, 6.12 with PREEMPT_RT, 6.18 and 7.2"
"""As the table of README.md has them."""
_MEMORY_BY_CGROUP = (5, 11)
"""From here on BPF's memory is charged to the cgroup, and RLIMIT_MEMLOCK has no say (kernel/bpf/syscall.c)."""
_VERSION = re.compile(r"(\d+)\.(\d+)")
_FIRST_NAMESPACES = {"pid": FIRST_PID_NAMESPACE, "cgroup": 0xEFFFFFFB, "user": 0xEFFFFFFD}
"""Inodes of the namespaces that the machine booted with: linux/proc_ns.h, PROC_*_INIT_INO."""
_WHY = {
    "pid": "the processes that the kernel names are numbered otherwise here",
    "cgroup": "the cgroup that looks like the root is not the machine's, so that others' queries are not seen",
    "user": "capabilities do not count for BPF here",
}
_CONTAINER_FLAGS = {"pid": "--pid=host", "cgroup": "--cgroupns=host", "user": "--userns=host"}


def _release(proc: Path) -> tuple[int, int]:
    found = _VERSION.match(_text(proc / "sys/kernel/osrelease"))
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _text(path: Path) -> str:
    """Give a file of the kernel's; nothing if there is none, or it may not be read."""
    try:
        return path.read_text(errors="surrogateescape")
    except OSError:
        return ""


def version(proc: Path) -> Finding:
    """Compare /proc/sys/kernel/osrelease with what README.md requires."""
    running = _text(proc / "sys/kernel/osrelease").strip() or "of unknown version"
    needed = ".".join(map(str, _LEAST))
    if _release(proc) < _LEAST:
        return fail("kernel", f"Linux {running} is too old", f"boot Linux {needed} or later ({TRIED} were tried)")
    return ok("kernel", f"Linux {running}; {needed} or later is needed, and {TRIED} were tried")


def namespaces(proc: Path) -> Iterator[Finding]:
    """Tell whether this process sees all processes under their own numbers, and the whole cgroup tree."""
    elsewhere = []
    for kind, first in _FIRST_NAMESPACES.items():
        try:
            inode = (proc / "self/ns" / kind).stat().st_ino
        except OSError:  # a kernel without that kind has only the first
            continue
        if inode != first:
            elsewhere.append(kind)
            yield fail(
                "namespaces",
                f"this is not the machine's first {kind} namespace: {_WHY[kind]}",
                f"run it on the host itself, or start the container with {_CONTAINER_FLAGS[kind]}",
            )
    if not elsewhere:
        yield ok("namespaces", "the machine's own: pid, cgroup and user")


def lockdown(sys: Path) -> Iterator[Finding]:
    """Read /sys/kernel/security/lockdown (kernel_lockdown(7)); no finding if there is no lockdown."""
    if "[confidentiality]" in _text(sys / "kernel/security/lockdown"):
        yield fail(
            "lockdown",
            "kernel lockdown is at confidentiality: BPF programs may not read what processes do",
            "boot with lockdown=integrity, or without",
        )


def jit(proc: Path) -> Iterator[Finding]:
    """Read sysctl net.core.bpf_jit_enable (bpf(2)), which root alone may; no finding if all is well."""
    if _text(proc / "sys/net/core/bpf_jit_enable").strip() == "0":
        yield warn(
            "bpf jit",
            "BPF programs are interpreted: each of them costs several times as much",
            "sysctl -w net.core.bpf_jit_enable=1",
        )


def locked_memory(proc: Path) -> Finding:
    """Read RLIMIT_MEMLOCK from /proc/self/limits if it limits the size of BPF maps."""
    if _release(proc) >= _MEMORY_BY_CGROUP:
        return ok("locked memory", "not limited for BPF: from Linux 5.11 on RLIMIT_MEMLOCK does not count for it")
    limit = next(
        (line.split()[3] for line in _text(proc / "self/limits").splitlines() if line.startswith("Max locked memory")),
        "unknown",
    )
    if limit == "unlimited":
        return ok("locked memory", "RLIMIT_MEMLOCK is unlimited")
    return warn(
        "locked memory",
        f"RLIMIT_MEMLOCK is {limit} bytes, and before Linux 5.11 it counts for BPF maps",
        "ulimit -l unlimited; for a unit LimitMEMLOCK=infinity",
    )
