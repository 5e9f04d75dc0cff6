"""The file systems of the kernel that the probes hang on: cgroup2 and tracefs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tracer.doctor.capabilities import way_to_privileges
from tracer.doctor.finding import Finding, fail, ok, warn
from tracer.kernel.filesystems import find_cgroup2, find_tracefs, tracefs_place
from tracer.kernel.privileges import lacking
from tracer.kernel.programs import TRACEPOINTS

__all__ = ["cgroup2", "tracefs"]

_MOUNTED_BY_DAEMON = "not mounted; the daemon mounts it privately, if it has CAP_SYS_ADMIN"
_CANNOT_MOUNT = "not mounted, and without CAP_SYS_ADMIN the daemon cannot mount it"


def _must_be_mounted(proc: Path) -> bool:
    """Whether a daemon started from here would run, and yet could not mount it for itself."""
    status = proc / "self/status"
    return not lacking(status=status) and bool(lacking(("CAP_SYS_ADMIN",), status))


def cgroup2(proc: Path) -> Finding:
    """Find the root of the unified tree, on which queries are counted (cgroups(7))."""
    if found := find_cgroup2(proc / "self/mountinfo"):
        hybrid = "; hybrid, which is enough" if found.name == "unified" else ""
        return ok("cgroup2", f"mounted on {found}{hybrid}")
    if "\tcgroup2\n" not in (proc / "filesystems").read_text():
        return fail("cgroup2", "this kernel has no cgroup2", "boot a kernel with CONFIG_CGROUPS")
    if _must_be_mounted(proc):
        return fail("cgroup2", _CANNOT_MOUNT, "mount it: mount -t cgroup2 cgroup2 /sys/fs/cgroup")
    return ok("cgroup2", _MOUNTED_BY_DAEMON)


def tracefs(proc: Path, sys: Path, *, tracing: bool) -> Iterator[Finding]:
    """Find the descriptions of the tracepoints, and which tracepoints there are."""
    place = tracefs_place(sys)
    try:
        found = find_tracefs(sys)
    except PermissionError:
        if tracing:
            yield ok("tracefs", "only root may read it; the running daemon has found it")
        else:
            yield warn("tracefs", "only root may read it", way_to_privileges(proc))
        return
    if found is not None:
        yield ok("tracefs", f"mounted on {found}")
        yield from _tracepoints(found)
    elif not place.is_dir():
        yield fail("tracefs", "this kernel has no tracefs", "boot a kernel with CONFIG_FTRACE")
    elif _must_be_mounted(proc) and not tracing:
        yield fail("tracefs", _CANNOT_MOUNT, f"mount it: mount -t tracefs tracefs {place}")
    else:
        yield ok("tracefs", _MOUNTED_BY_DAEMON)


def _tracepoints(tracefs: Path) -> Iterator[Finding]:
    def is_there(category: str, name: str) -> bool:
        return (tracefs / "events" / category / name).is_dir()

    # What a macro guards is not on every machine: arm64, for one, has no open().
    wanted = [point for point in TRACEPOINTS if point.macro is None]
    missing = [point for point in wanted if not is_there(point.category, point.name)]
    names = ", ".join(point.name for point in missing)
    if not missing:
        yield ok("tracepoints", "all there")
    elif any(point.required for point in missing):
        yield fail("tracepoints", f"this kernel lacks {names}", "boot a kernel with CONFIG_FTRACE_SYSCALLS")
    else:
        yield warn(
            "tracepoints",
            f"this kernel lacks {names}: some reads or lookups are not seen",
            "boot a later kernel, or one with CONFIG_FTRACE_SYSCALLS",
        )
