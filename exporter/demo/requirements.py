"""The demo's requirements, checked before anything is started."""

from __future__ import annotations

import os
import re
import shutil

from exporter.demo.lab.world import ENVIRONMENT
from tracer.errors import ResolvtraceError

__all__ = ["glibc", "has", "require"]

_PACKAGES = (
    ("dnsmasq", "dnsmasq-base"),
    ("ip", "iproute2"),
    ("mount", "mount"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
    ("unshare", "util-linux"),
)
"""Programs of the lab, and their Debian packages."""
_RELOADING_GLIBC = (2, 26)
"""The first version that re-reads a changed resolv.conf (NEWS of glibc)."""


def require() -> None:
    """Raise ResolvtraceError for the first thing that is missing."""
    if os.geteuid() != 0:
        raise ResolvtraceError("root is required, for namespaces and BPF", "run sudo resolvtrace demo")
    missing = [(program, package) for program, package in _PACKAGES if not has(program)]
    if missing:
        programs = ", ".join(program for program, _ in missing)
        packages = " ".join(dict.fromkeys(package for _, package in missing))
        raise ResolvtraceError(f"{programs} not found", f"apt install {packages}")
    found = re.match(r"(\d+)\.(\d+)", glibc())
    if found is None or (int(found[1]), int(found[2])) < _RELOADING_GLIBC:
        raise ResolvtraceError(
            f"this Python's C library is {glibc() or 'not glibc'}, and the demo shows how glibc 2.26 and later reads "
            "resolv.conf",
            "run it with a distribution's Python",
        )


def has(program: str) -> bool:
    """Return whether the program is on the lab's PATH."""
    return shutil.which(program, path=ENVIRONMENT["PATH"]) is not None


def glibc() -> str:
    """Return the version of this Python's glibc, such as 2.36; empty if it has another C library."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (OSError, ValueError):
        return ""
    return version if name == "glibc" else ""
