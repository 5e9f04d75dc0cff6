"""What the demo needs of a machine, asked before anything is started."""

from __future__ import annotations

import os
import re
import shutil

from exporter.demonstration.trouble import Trouble
from exporter.lab.world import ENVIRONMENT

__all__ = ["glibc", "has", "require"]

_PACKAGES = (
    ("dnsmasq", "dnsmasq-base"),
    ("ip", "iproute2"),
    ("mount", "mount"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
    ("unshare", "util-linux"),
)
"""Programs of the lab, and Debian's packages that have them."""
_RELOADING_GLIBC = (2, 26)
"""The first that notices by itself that resolv.conf changed (its NEWS)."""


def require() -> None:
    """Raise Trouble, with the remedy, for the first thing that is missing."""
    if os.geteuid() != 0:
        raise Trouble("needs root, for namespaces and BPF: run sudo resolvtrace demo")
    missing = [(program, package) for program, package in _PACKAGES if not has(program)]
    if missing:
        programs = ", ".join(program for program, _ in missing)
        packages = " ".join(dict.fromkeys(package for _, package in missing))
        raise Trouble(f"{programs} not found: apt install {packages}")
    found = re.match(r"(\d+)\.(\d+)", glibc())
    if found is None or (int(found[1]), int(found[2])) < _RELOADING_GLIBC:
        raise Trouble(
            f"this Python's C library is {glibc() or 'not glibc'}, and the demo is about how glibc 2.26 and later "
            "reads resolv.conf: run it with a distribution's Python"
        )


def has(program: str) -> bool:
    """Return whether the lab finds the program, which it does on a PATH of its own."""
    return shutil.which(program, path=ENVIRONMENT["PATH"]) is not None


def glibc() -> str:
    """Return the version of this Python's glibc, such as 2.36; nothing where it has another C library."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (OSError, ValueError):
        return ""
    return version if name == "glibc" else ""
