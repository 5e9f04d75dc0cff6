"""What the kernel asks of whoever loads the probes, looked at before anything is tried (capabilities(7))."""

from __future__ import annotations

from pathlib import Path

from tracer.errors import ResolvtraceError

_SYS_ADMIN = 21
_NEEDED = {"CAP_BPF": 39, "CAP_PERFMON": 38, "CAP_NET_ADMIN": 12}
_CARRIED_BY_SYS_ADMIN = frozenset({"CAP_BPF", "CAP_PERFMON"})


def require_privileges(status: Path = Path("/proc/self/status")) -> None:
    """Raise ResolvtraceError where a capability that loading needs is not effective."""
    for line in status.read_text().splitlines():
        if line.startswith("CapEff:"):
            effective = int(line.split()[1], 16)
            break
    else:
        return
    has_admin = bool(effective >> _SYS_ADMIN & 1)
    missing = [
        name
        for name, number in _NEEDED.items()
        if not effective >> number & 1 and not (has_admin and name in _CARRIED_BY_SYS_ADMIN)
    ]
    if missing:
        raise ResolvtraceError(
            f"the kernel refuses to load BPF programs for this process: it lacks {', '.join(missing)}",
            "run it as root (sudo resolvtrace daemon), or as the service that has these capabilities",
        )
