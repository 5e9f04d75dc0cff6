"""What the kernel requires for loading the probes (capabilities(7)): checked before, and given up after."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable

from tracer.errors import ResolvtraceError
from tracer.libc import LIBC, checked

StrPath = str | os.PathLike[str]

LOADING = ("CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN")
"""What loading and attaching needs."""
KEPT = ("CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE")
"""What reading other processes' files needs, for as long as the daemon runs."""
_SYS_ADMIN = 21
_CARRIED_BY_SYS_ADMIN = frozenset({"CAP_BPF", "CAP_PERFMON"})
_NUMBERS = {
    "CAP_DAC_READ_SEARCH": 2,
    "CAP_NET_ADMIN": 12,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": _SYS_ADMIN,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}

FIRST_PID_NAMESPACE = 0xEFFFFFFC
"""Inode of the pid namespace that the machine booted with: linux/proc_ns.h, PROC_PID_INIT_INO."""
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
"""Of capset(2): two words of 32 bits for each of the three sets."""


def lacking(names: Iterable[str] = LOADING, status: StrPath = "/proc/self/status") -> list[str]:
    """Give those of the capabilities that are not effective; by default of those that loading needs.

    CAP_SYS_ADMIN carries some of the others. Raises OSError.
    """
    with open(status) as file:
        lines = file.read().splitlines()
    for line in lines:
        if line.startswith("CapEff:"):
            effective = int(line.split()[1], 16)
            break
    else:
        return []
    has_admin = bool(effective >> _SYS_ADMIN & 1)
    return [
        name
        for name in names
        if not effective >> _NUMBERS[name] & 1 and not (has_admin and name in _CARRIED_BY_SYS_ADMIN)
    ]


FOREIGN_PROC = "/proc does not show this process: it is not mounted, or is that of another pid namespace"
MOUNT_PROC = "mount this one's: mount -t proc proc /proc"


def is_own_proc(proc: StrPath = "/proc") -> bool:
    """Whether a /proc is that of this process's pid namespace: /proc/self leads nowhere in another's (proc(5))."""
    return os.path.exists(os.path.join(proc, "self/stat"))


def require_own_proc(proc: StrPath = "/proc") -> None:
    """Raise ResolvtraceError if processes would be looked for in a /proc that does not show them."""
    if not is_own_proc(proc):
        raise ResolvtraceError(FOREIGN_PROC, MOUNT_PROC)


def require_privileges(status: StrPath = "/proc/self/status") -> None:
    """Raise ResolvtraceError if a capability that loading needs is not effective."""
    missing = lacking(status=status)
    if missing:
        raise ResolvtraceError(
            f"the kernel refuses to load BPF programs for this process: it lacks {', '.join(missing)}",
            "run it as root (sudo resolvtrace daemon), or as the service that has these capabilities",
        )


def require_first_pid_namespace(proc: StrPath = "/proc") -> None:
    """Raise ResolvtraceError elsewhere: the kernel names processes by numbers that are others' there."""
    if os.stat(os.path.join(proc, "self/ns/pid")).st_ino != FIRST_PID_NAMESPACE:
        raise ResolvtraceError(
            "this is not the machine's first pid namespace, and the kernel names processes by their numbers there",
            "run it on the host itself, or start the container with --pid=host (hostPID)",
        )


def drop_privileges(works: Callable[[], bool]) -> bool:
    """Give up for good what only loading needed; keep what reading other processes' files takes.

    ``works`` tells whether the maps can still be read: tried first in a child, since kernels before 5.19 require
    CAP_BPF there (kernel/bpf/syscall.c, __sys_bpf). Where they cannot, nothing is given up, and False is returned.
    Call it before any thread is started: capabilities belong to threads.
    """
    child = os.fork()
    if child == 0:
        status = 1
        try:
            give_up_loading()
            status = 0 if works() else 1
        finally:
            os._exit(status)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        return False
    give_up_loading()
    return True


def give_up_loading() -> None:
    """Give up what only loading takes, in the calling thread and in what it executes. Raises OSError.

    A program executed afterwards keeps the rest: as root's, or as ambient capabilities (capabilities(7)).
    """
    # Else root would have all of them again after an exec (capabilities(7), "Capabilities and execution of programs
    # by root"; security/commoncap.c).
    checked(LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable: the first 32 of each, then the rest
    checked(LIBC.capget(header, sets), "capget")
    held = sets[1] & sum(1 << _NUMBERS[name] for name in KEPT)
    sets[:] = [sets[0] & held, held, held, 0, 0, 0]
    checked(LIBC.capset(header, sets), "capset")
    for name in KEPT:
        if held >> _NUMBERS[name] & 1:
            checked(LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _NUMBERS[name], 0, 0), "prctl")
