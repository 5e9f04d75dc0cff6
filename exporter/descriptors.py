"""The limit of open files: more than all clients together can use."""

from __future__ import annotations

import resource

from tracer.errors import ResolvtraceError

__all__ = ["require_descriptors"]

LEAST = 512
"""The daemon's own (about 60), clients that are served (96), and those in the backlogs."""


def require_descriptors() -> None:
    """Raise this process's limit as far as needed. Raises ResolvtraceError if that is not permitted.

    Without it clients could use up the descriptors that /proc and resolv.conf are read with.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= LEAST or soft == resource.RLIM_INFINITY:
        return
    if hard < LEAST and hard != resource.RLIM_INFINITY:
        raise ResolvtraceError(
            f"the limit of open files is {hard}, and {LEAST} are required",
            "raise it: ulimit -n 1024, or LimitNOFILE=1024 in the unit",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (LEAST, hard))
