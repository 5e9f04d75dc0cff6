"""How many files the daemon may have open: more than all its clients together can take."""

from __future__ import annotations

import resource

from tracer.errors import ResolvtraceError

__all__ = ["require_descriptors"]

LEAST = 512
"""The daemon's own, some 60; clients that are served, 96; and some backlogs of those who are yet to be told no."""


def require_descriptors() -> None:
    """Raise this process's own limit as far as is needed. Raises ResolvtraceError where that is not permitted.

    Without it clients could take the descriptors that /proc and resolv.conf are read with.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= LEAST or soft == resource.RLIM_INFINITY:
        return
    if hard < LEAST and hard != resource.RLIM_INFINITY:
        raise ResolvtraceError(
            f"only {hard} files may be open at once, and {LEAST} are needed",
            "raise the limit: ulimit -n 1024, or LimitNOFILE=1024 in the unit",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (LEAST, hard))
