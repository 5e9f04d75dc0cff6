"""The capabilities of this process, as the daemon would have them if it were started from here (capabilities(7))."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tracer.examination.finding import Finding, fail, ok, warn
from tracer.privileges import lacking

__all__ = ["capabilities", "way_to_privileges"]

_AS_ROOT = "look again as root: sudo resolvtrace doctor"
_LOADING = ("CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN")
_LOOKING = {
    "CAP_SYS_PTRACE": "the resolv.conf of other users' processes cannot be found",
    "CAP_DAC_READ_SEARCH": "units of processes that end at once, and files in closed directories, cannot be found",
}
_GIVE = "give them back: AmbientCapabilities= and CapabilityBoundingSet= of the unit, --cap-add of the container"


def capabilities(proc: Path, *, tracing: bool) -> Iterator[Finding]:
    """Tell which of those that README.md names are effective. ``tracing``: a daemon runs, so that it has them."""
    status = proc / "self/status"
    missing = lacking((*_LOADING, *_LOOKING), status)
    if not missing:
        yield ok("privileges", "every capability that the daemon needs" + _without_admin(status))
        return
    text = f"this process lacks {', '.join(missing)}"
    if tracing:
        yield ok("privileges", f"{text}; the daemon that runs has what it needs")
    elif not _is_root(status):
        yield warn("privileges", f"{text}: the daemon cannot be started from here", way_to_privileges(proc))
    elif set(missing) & set(_LOADING):
        yield fail("privileges", f"root, and yet {text}: the daemon cannot load its probes", _GIVE)
    else:
        why = "; ".join(_LOOKING[name] for name in missing)
        yield warn("privileges", f"root, and yet {text}: {why}", _GIVE)


def way_to_privileges(proc: Path) -> str:
    """Give the remedy for a capability that is not there."""
    return _GIVE if _is_root(proc / "self/status") else _AS_ROOT


def _without_admin(status: Path) -> str:
    if not lacking(("CAP_SYS_ADMIN",), status):
        return ""
    return "; without CAP_SYS_ADMIN older TCP connections in other network namespaces are not attributed"


def _is_root(status: Path) -> bool:
    return any(line.split()[2] == "0" for line in status.read_text().splitlines() if line.startswith("Uid:"))
