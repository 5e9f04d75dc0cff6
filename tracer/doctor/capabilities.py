"""The capabilities of this process, as the daemon would have them if it were started from here (capabilities(7))."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tracer.doctor.finding import Finding, fail, ok, warn
from tracer.kernel.privileges import LOADING, lacking

__all__ = ["capabilities", "way_to_privileges"]

_AS_ROOT = "run it as root: sudo resolvtrace doctor"
_LOOKING = {
    "CAP_SYS_PTRACE": "the resolv.conf of other users' processes cannot be found",
    "CAP_DAC_READ_SEARCH": "units of short-lived processes, and files in directories closed to others, cannot be found",
}
_HIGHEST_LEVEL = 2
"""Of kernel.perf_event_paranoid, as Linux itself knows it: at that, CAP_PERFMON will do."""
_GIVE = "give them back: AmbientCapabilities= and CapabilityBoundingSet= of the unit, --cap-add of the container"


def capabilities(proc: Path, *, tracing: bool) -> Iterator[Finding]:
    """Tell which of those that README.md names are effective. ``tracing``: a daemon runs, so that it has them."""
    status = proc / "self/status"
    missing = lacking((*LOADING, *_LOOKING), status)
    level = _events_level(proc)
    if not missing and level > _HIGHEST_LEVEL and not tracing and lacking(("CAP_SYS_ADMIN",), status):
        yield fail(
            "privileges",
            f"kernel.perf_event_paranoid is {level}: this kernel requires CAP_SYS_ADMIN for probes on tracepoints",
            f"lower it before the daemon starts: sysctl kernel.perf_event_paranoid={_HIGHEST_LEVEL}",
        )
    elif not missing:
        yield ok("privileges", "every capability that the daemon needs" + _without_admin(status))
    else:
        yield _on_missing(missing, proc, tracing=tracing)


def _on_missing(missing: list[str], proc: Path, *, tracing: bool) -> Finding:
    text = f"this process lacks {', '.join(missing)}"
    status = proc / "self/status"
    if tracing:
        return ok("privileges", f"{text}; the running daemon has what it needs")
    if not _is_root(status):
        return warn("privileges", f"{text}: the daemon cannot be started by this user", way_to_privileges(proc))
    if set(missing) & set(LOADING):
        return fail("privileges", f"this is root, but {text}: the daemon cannot load its probes", _GIVE)
    why = "; ".join(_LOOKING[name] for name in missing)
    return warn("privileges", f"this is root, but {text}: {why}", _GIVE)


def way_to_privileges(proc: Path) -> str:
    """Give the remedy for a capability that is not there."""
    return _GIVE if _is_root(proc / "self/status") else _AS_ROOT


def _events_level(proc: Path) -> int:
    """Give kernel.perf_event_paranoid; the levels above 2 are Debian's and Ubuntu's."""
    try:
        return int((proc / "sys/kernel/perf_event_paranoid").read_text())
    except (OSError, ValueError):
        return _HIGHEST_LEVEL


def _without_admin(status: Path) -> str:
    if not lacking(("CAP_SYS_ADMIN",), status):
        return ""
    return "; without CAP_SYS_ADMIN older TCP connections in other network namespaces are not attributed"


def _is_root(status: Path) -> bool:
    return any(line.split()[2] == "0" for line in status.read_text().splitlines() if line.startswith("Uid:"))
