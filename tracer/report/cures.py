"""How to restart a process, or to reload it where that is enough, in its manager's own words."""

from __future__ import annotations

import shlex

from tracer.identity import Identity
from tracer.report.reloads import reload_of, runs_alone

_SHORT_ID = 12
_USER = "user@"


def restart(identity: Identity, pid: int) -> str:
    """Say how to restart a process: its unit, its pod, its container or machine, or itself."""
    unit = identity.unit
    if identity.pod:
        return restart_pod(identity.pod)
    if unit and unit.endswith(".service") and not identity.runtime:
        return f"restart it: {_systemctl('restart', unit)}"
    if identity.container:
        return _restart_inside(identity, identity.container)
    return f"restart {identity.comm} (pid {pid})"


def recover(identity: Identity, pid: int, whom: str = "it") -> str:
    """Say how to make a process re-read resolv.conf: by a reload if that is known to be enough, or a restart.

    ``whom``: what to call it in front of its manager's command.
    """
    return _reload(identity, pid, whom) or restart(identity, pid).replace("restart it:", f"restart {whom}:")


def _reload(identity: Identity, pid: int, whom: str) -> str | None:
    known = reload_of(identity)
    if known is None or identity.pod or (identity.container and not identity.runtime):
        return None
    unit = identity.inner_unit if identity.container else identity.unit
    if unit and runs_alone(known, unit):
        return f"reload {whom}: {_inside(identity, unit, 'reload-or-restart')}"
    if identity.container or known.command is None:
        return None
    return f"reload {identity.comm} (pid {pid}): {known.command.format(pid=pid)}"


def _restart_inside(identity: Identity, container: str) -> str:
    if identity.runtime and identity.inner_unit and identity.inner_unit.endswith(".service"):
        return f"restart it: {_inside(identity, identity.inner_unit, 'restart')}"
    if identity.runtime == "nspawn":
        return f"restart machine {container}: machinectl reboot {shlex.quote(container)}"
    if identity.runtime == "lxc":
        return f"restart LXC container {container}"
    return f"restart container {container[:_SHORT_ID]}"


def _inside(identity: Identity, unit: str, verb: str) -> str:
    """Give the command for a unit of the host, or of the machine or LXC container that the process is in."""
    if identity.runtime == "nspawn":
        return _systemctl(verb, unit, identity.container or "")
    if identity.runtime == "lxc":
        return f"lxc-attach -n {shlex.quote(identity.container or '')} -- {_systemctl(verb, unit)}"
    return _systemctl(verb, unit)


def _systemctl(verb: str, unit: str, machine: str = "") -> str:
    """Give the command for a unit: of a user's manager if it is named so (:mod:`tracer.observe.units`)."""
    manager = ""
    if unit.startswith(_USER) and "/" in unit:
        uid, _, unit = unit.removeprefix(_USER).partition("/")
        manager = f"--user --machine={uid}@{shlex.quote(machine) if machine else ''} "
    elif machine:
        manager = f"--machine={shlex.quote(machine)} "
    return f"systemctl {manager}{verb} {shlex.quote(unit)}"


def restart_pod(pod: str) -> str:
    """Say how to restart a pod, given as ``namespace/name``."""
    namespace, _, name = pod.partition("/")
    return f"restart pod {pod}: kubectl -n {namespace} delete pod {name}, and its controller starts a new one"
