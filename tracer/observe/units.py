"""What the path of a cgroup tells: the systemd unit, the container or the machine that a process belongs to.

Sources: systemd.unit(5), systemd-nspawn(1) (its payload), pam_systemd(8), lxc.container.conf(5) (lxc.cgroup.dir.*), the
runtimes' cgroup drivers.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_ID = re.compile(r"(?:^|[-:])([0-9a-f]{64})(?:\.scope)?$")
"""A container's, which Docker, containerd, CRI-O and Podman all use."""
_UNIT = re.compile(r".+\.(?:service|scope|socket|mount|swap)")
_USER_MANAGER = re.compile(r"user@(\d+)\.service")
_LXC = re.compile(r"lxc\.payload\.(.+)")
_LXC_PARENTS = frozenset({"lxc", "lxc.payload"})
"""Above the container's name: lxc.cgroup.pattern of LXC before 4, and of Proxmox."""
_NSPAWN = re.compile(r"systemd-nspawn@(.+)\.service|machine-(.+)\.scope")
_PAYLOAD = "payload"
_PODS = "kubepods"
_ENGINES = re.compile(
    r"(?:containerd|docker|crio|podman|lxc|lxd|incus|nomad|kubelet|k3s|k3s-agent|rke2-server|rke2-agent|balena|"
    r"snap\.(?:lxd|docker|microk8s)\..+)\.service"
)
"""Whoever runs containers of others: a restart would be of all of them, or of none."""


class Placement(NamedTuple):
    """Where a process belongs.

    ``unit`` is of the host's own manager, or ``user@UID/NAME`` of a user's. ``container`` is a container's id, or the
    name of an LXC container or a machine. ``inner_unit`` is the unit inside of that; ``runtime`` what runs it: ``lxc``,
    ``nspawn``, or "" if its id identifies it.
    """

    unit: str | None = None
    container: str | None = None
    inner_unit: str | None = None
    runtime: str = ""


def placement(path: str) -> Placement:
    """Read the path of a cgroup: the outermost container or machine is the border to what is not the host's own."""
    parts = [part for part in path.split("/") if part]
    for at, part in enumerate(parts):
        outside, inside = parts[:at], parts[at + 1 :]
        if name := _lxc_container(parts, at):
            return Placement(_unit_of_container(outside), name, _inner_unit(inside), "lxc")
        if name := _machine(parts, at):
            return Placement(None, name, _inner_unit(inside), "nspawn")
        if found := _ID.search(part):
            own = [one for one in inside if found[1] not in one]
            is_pod = any(one.startswith(_PODS) for one in parts[: at + 1])
            return Placement(None if is_pod else _unit_of_container([*outside, part]), found[1], _inner_unit(own))
    return Placement(_unit(parts))


def _lxc_container(parts: list[str], at: int) -> str | None:
    """Give the name of the LXC container that begins here; None if none does."""
    if found := _LXC.fullmatch(parts[at]):
        return _unescaped(found[1])
    return parts[at] if at and parts[at - 1] in _LXC_PARENTS else None


def _machine(parts: list[str], at: int) -> str | None:
    """Give the name of the machine that begins here; None if none does.

    systemd-nspawn has a cgroup for what it runs. Others that systemd-machined knows (libvirt's LXC) have the machine's
    units right below its scope: in the scope of a virtual machine there are none.
    """
    before = _NSPAWN.fullmatch(parts[at - 1]) if at and parts[at] == _PAYLOAD else None
    here = _NSPAWN.fullmatch(parts[at])
    found = before or (here if here and here[2] and _PAYLOAD not in parts[at:] and _unit(parts[at + 1 :]) else None)
    return _unescaped(found[1] or found[2]) if found else None


def _inner_unit(parts: list[str]) -> str | None:
    """Give the unit inside a container or machine; None if another one is nested there, whose unit it would be."""
    nested = any(_lxc_container(parts, at) or _ID.search(part) or _machine(parts, at) for at, part in enumerate(parts))
    return None if nested else _unit(parts)


def _unit_of_container(parts: list[str]) -> str | None:
    """Give the unit that runs a container of its own (Podman's Quadlet, docker run in a service)."""
    if any(_USER_MANAGER.fullmatch(part) for part in parts):
        return None
    unit = _unit([part for part in parts if not _ID.search(part)])
    return None if unit is not None and _ENGINES.fullmatch(unit) else unit


def _unit(parts: list[str]) -> str | None:
    """Give the unit of the manager to which the path belongs; of a user's manager with the user's number.

    Units lie in slices and not in each other, but for those of a user's manager: what looks like a unit further in
    belongs to another manager, in a container of a kind that is not known here.
    """
    user = ""
    for part in parts:
        if not _UNIT.fullmatch(part):
            continue
        if user or not (found := _USER_MANAGER.fullmatch(part)):
            return user + part
        user, manager = f"user@{found[1]}/", part
    return manager if user else None


def _unescaped(name: str) -> str:
    r"""Read a name as systemd writes it in a unit's: ``\x2d`` is a hyphen (systemd.unit(5))."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), name)
