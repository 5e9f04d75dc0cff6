"""What can be found out about the daemon from outside: its socket, whether it answers, and how it fares."""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Iterator

from exporter.report import when
from exporter.wire import Check
from tracer.examination.finding import Finding, fail, ok, warn
from tracer.version import VERSION

__all__ = ["no_answer", "of_answer", "of_socket"]

_GROUP = "resolvtrace"
_RESTART = "systemctl restart resolvtrace"
_LOG = "journalctl -u resolvtrace says why; systemctl restart resolvtrace"


def of_socket(path: str) -> Iterator[Finding]:
    """Tell who may use the socket; no finding where there is none, which the daemon's own says."""
    try:
        status = os.lstat(path)
    except OSError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        yield fail("socket", f"{path} is no socket", "remove it, or name the daemon's with --socket")
        return
    group = _group_name(status.st_gid)
    text = f"{path}, mode {stat.S_IMODE(status.st_mode):04o}, group {group}"
    if status.st_mode & stat.S_IWOTH:
        yield warn("socket", f"{text}: everybody may ask the daemon", f"chmod o= {path}")
    elif group == "root" and not _has_group():
        yield ok("socket", f"{text}; with a group {_GROUP} (groupadd -r {_GROUP}) others than root could be let in")
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


def no_answer(path: str, message: str) -> Finding:
    """Tell why no daemon answers (the text of a NoDaemon); that it was not started is no failure."""
    problem, _, remedy = message.rpartition(": ")
    return (fail if os.access(path, os.W_OK) else warn)("daemon", problem, remedy)


def of_answer(check: Check) -> Iterator[Finding]:
    """Tell what the daemon says of itself, and of nscd."""
    if check["version"] != VERSION:
        yield warn("daemon", f"it is version {check['version']}, and this command {VERSION}", _RESTART)
    else:
        yield ok("daemon", f"version {VERSION}, watching since {when(check['watching_since'], check['time'])}")
    probes = check["health"]["probes"]
    detached = [name for name, attached in probes.items() if not attached]
    if detached:
        yield warn("probes", f"not attached: {', '.join(detached)}", _LOG)
    else:
        yield ok("probes", f"all {len(probes)} attached")
    lost = [f"{reason} {count}" for reason, count in check["health"]["lost"].items() if count]
    if lost:
        yield warn("losses", f"lost, so that the picture may have gaps: {', '.join(lost)}", _LOG)
    else:
        yield ok("losses", "none")
    yield from _nscd(check)


def _nscd(check: Check) -> Iterator[Finding]:
    """Tell whether the host's nscd follows resolv.conf: it asks for everybody who goes through it."""
    for process in check["processes"]:
        if process["comm"] != "nscd" or process["view"] != "host":
            continue
        if process["state"] == "stale":
            yield fail("nscd", f"pid {process['pid']} is stale: {process['reason']}", process["advice"])
        else:
            yield ok("nscd", f"pid {process['pid']} is {process['state']} as to resolv.conf")
