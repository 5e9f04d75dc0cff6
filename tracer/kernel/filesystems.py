"""Finding cgroup2 and tracefs, and mounting what is missing where nobody else sees it.

Only the loader's child calls what mounts: its mount namespace is its own, and goes with it.
"""

from __future__ import annotations

import os
from pathlib import Path

from tracer.errors import ResolvtraceError
from tracer.libc import LIBC, checked

_CLONE_NEWNS = 0x00020000
_MS_REC_PRIVATE = 0x4000 | 0x40000
_ROOT_CGROUP = 1
"""Its inode, on every machine: kernel/cgroup/cgroup.c, cgroup_setup_root."""
# The places below /sys where libbcc looks for the tracepoints' descriptions.
_TRACEFS = ("kernel/debug/tracing", "kernel/tracing")


def _call(name: str, *arguments: object) -> None:
    checked(getattr(LIBC, name)(*arguments), name)


def _mount_privately(kind: str, target: Path) -> None:
    try:
        _call("unshare", _CLONE_NEWNS)
        _call("mount", b"none", b"/", None, _MS_REC_PRIVATE, None)
        _call("mount", kind.encode(), os.fsencode(target), kind.encode(), 0, None)
    except OSError as error:
        raise ResolvtraceError(
            f"{kind} is not mounted and cannot be mounted here ({error.strerror})",
            f"mount it: mount -t {kind} {kind} {target}",
        ) from error


def tracefs_place(sys: Path = Path("/sys")) -> Path:
    """Give the directory that tracefs is mounted on by custom; it need not be there."""
    return sys / _TRACEFS[-1]


def find_tracefs(sys: Path = Path("/sys")) -> Path | None:
    """Find the tracepoints' descriptions; None where they are not mounted. Raises PermissionError, for all but root."""
    for name in _TRACEFS:
        place = sys / name
        try:
            (place / "events").stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        return place
    return None


def require_tracefs() -> Path:
    """Find the tracepoints' descriptions, and mount them for this process alone where they are not mounted.

    Raises ResolvtraceError.
    """
    if found := find_tracefs():
        return found
    place = tracefs_place()
    if not place.is_dir():
        raise ResolvtraceError("this kernel has no tracefs", "boot a kernel with CONFIG_FTRACE")
    _mount_privately("tracefs", place)
    return place


def find_cgroup2(mountinfo: Path = Path("/proc/self/mountinfo")) -> Path | None:
    """Find the root of the unified cgroup tree (cgroups(7)); None where it is not mounted. Raises OSError.

    In a cgroup namespace `/` is the namespace's own part of the tree, and the machine's tree, where it is mounted too,
    is shown as `/../..` (cgroup_namespaces(7)).
    """
    found: dict[int, Path] = {}
    for line in mountinfo.read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            fields = before.split()
            above = fields[3].count("/..")
            if fields[3] == "/" or fields[3] == "/.." * above:  # not a part of it bound somewhere
                found.setdefault(above, Path(fields[4].encode().decode("unicode_escape")))
    return found[max(found)] if found else None


def require_cgroup2() -> Path:
    """Find the root of the unified cgroup tree; mounts it for this process alone where it is not mounted.

    Raises ResolvtraceError.
    """
    place = find_cgroup2()
    if place is None:
        # On a hybrid host the directory itself holds the hierarchies of cgroup v1, which must not be covered.
        hybrid = Path("/sys/fs/cgroup/unified")
        place = hybrid if hybrid.is_dir() else hybrid.parent
        _mount_privately("cgroup2", place)
    if place.stat().st_ino != _ROOT_CGROUP:
        raise ResolvtraceError(
            f"{place} is a container's part of the cgroup tree, and nothing outside of it would be seen",
            "mount the machine's /sys/fs/cgroup in its place, or start the container with --cgroupns=host",
        )
    return place
