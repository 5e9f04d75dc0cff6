"""Doctor's checks of the daemon from outside: its socket, whether it answers, its probes and losses."""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Iterator

from exporter.feed.client import NoDaemon
from exporter.text.report import when
from tracer.doctor.finding import Finding, fail, ok, warn
from tracer.report.snapshot import Snapshot
from tracer.verdict.states import State
from tracer.version import VERSION

__all__ = ["no_answer", "of_answer", "of_socket"]

_GROUP = "resolvtrace"
_RESTART = "systemctl restart resolvtrace"
_LOG = "see journalctl -u resolvtrace, then systemctl restart resolvtrace"


def of_socket(path: str) -> Iterator[Finding]:
    """Check who may use the socket; no finding if there is none, which :func:`no_answer` reports."""
    try:
        status = os.lstat(path)
    except OSError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        yield fail("socket", f"{path} is not a socket", "remove it, or name the daemon's socket with --socket")
        return
    group = _group_name(status.st_gid)
    text = f"{path}, mode {stat.S_IMODE(status.st_mode):04o}, group {group}"
    if status.st_mode & stat.S_IWOTH:
        yield warn("socket", f"{text}: any user may use it", f"chmod o= {path}")
    elif group == "root" and not _has_group():
        yield ok("socket", f"{text}; to let other users in, create the group: groupadd -r {_GROUP}")
    else:
        yield ok("socket", text)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _has_group() -> bool:
    try:
        grp.getgrnam(_GROUP)
    except KeyError:
        return False
    return True


def no_answer(path: str, error: NoDaemon) -> Finding:
    """Say why no daemon answers; one that was not started is only a warning."""
    return (fail if os.access(path, os.W_OK) else warn)("daemon", error.problem, error.remedy)


def of_answer(check: Snapshot) -> Iterator[Finding]:
    """Check what the daemon reports about itself and about nscd."""
    if check.version != VERSION:
        yield warn("daemon", f"version {check.version}, but this command is {VERSION}", _RESTART)
    else:
        yield ok("daemon", f"version {VERSION}, watching since {when(check.watching_since, check.time)}")
    probes = check.health.probes
    detached = [probe.name for probe in probes if not probe.attached]
    if detached:
        yield warn("probes", f"not attached: {', '.join(detached)}", _LOG)
    else:
        yield ok("probes", f"all {len(probes)} attached")
    lost = [f"{reason} {count}" for reason, count in check.health.lost.items() if count]
    if lost:
        yield warn("losses", f"events lost, stale processes may be missing: {', '.join(lost)}", _LOG)
    else:
        yield ok("losses", "none")
    unidentified = [f"{reason} {count}" for reason, count in check.health.unidentified.items() if count]
    if unidentified:
        yield ok("unidentified", f"counted, but program, unit or resolv.conf unknown: {', '.join(unidentified)}")
    yield from _nscd(check)


def _nscd(check: Snapshot) -> Iterator[Finding]:
    """Check whether the host's nscd follows resolv.conf: it queries for all its clients."""
    for process in check.processes:
        if process.comm != "nscd" or process.view != "host":
            continue
        if process.state is State.STALE:
            yield fail("nscd", f"pid {process.pid} is stale: {process.reason}", process.advice)
        else:
            yield ok("nscd", f"pid {process.pid} is {process.state}")
