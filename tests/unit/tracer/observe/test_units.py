"""What the path of a cgroup tells: the unit, the container or machine, and the unit inside of that."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.observe.units import Placement, placement

ID = "0123456789abcdef" * 4
OTHER_ID = "fedcba9876543210" * 4
MANAGER = "/user.slice/user-1000.slice/user@1000.service"
PODS = "/kubepods.slice/kubepods-burstable.slice"

PLACES = {
    "a system service": ("/system.slice/sendmail.service", Placement("sendmail.service")),
    "an instance": ("/system.slice/system-getty.slice/getty@tty1.service", Placement("getty@tty1.service")),
    "delegated below a service": ("/system.slice/x.service/payload/worker-1", Placement("x.service")),
    "a directory with a colon": ("/system.slice/x.service/a:b", Placement("x.service")),
    "a user's service": (f"{MANAGER}/app.slice/dev.service", Placement("user@1000/dev.service")),
    "a user's manager": (f"{MANAGER}/init.scope", Placement("user@1000/init.scope")),
    "a user's manager itself": (MANAGER, Placement("user@1000.service")),
    "a session": ("/user.slice/user-1000.slice/session-3.scope", Placement("session-3.scope")),
    "PID 1": ("/init.scope", Placement("init.scope")),
    "no unit": ("/", Placement()),
    "docker, systemd driver": (f"/system.slice/docker-{ID}.scope", Placement(None, ID)),
    "docker, cgroupfs driver": (f"/docker/{ID}", Placement(None, ID)),
    "docker run in a service": (f"/system.slice/web.service/docker/{ID}", Placement("web.service", ID)),
    "systemd in a container": (
        f"/system.slice/docker-{ID}.scope/system.slice/nginx.service",
        Placement(None, ID, "nginx.service"),
    ),
    "PID 1 of systemd in a container": (
        f"/system.slice/docker-{ID}.scope/init.scope",
        Placement(None, ID, "init.scope"),
    ),
    "docker in docker": (f"/docker/{OTHER_ID}/docker/{ID}", Placement(None, OTHER_ID)),
    "kubepods, systemd driver": (
        f"{PODS}/kubepods-burstable-pod1_2.slice/cri-containerd-{ID}.scope",
        Placement(None, ID),
    ),
    "kubepods, cgroupfs driver": (f"/kubepods/besteffort/pod12345678-1234/{ID}", Placement(None, ID)),
    "kubepods, CRI-O": (f"/kubepods.slice/kubepods-pod1.slice/crio-{ID}.scope/container", Placement(None, ID)),
    "kubepods under containerd.service": (
        f"/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:{ID}",
        Placement(None, ID),
    ),
    "podman, root": (f"/machine.slice/libpod-{ID}.scope/container", Placement(None, ID)),
    "podman, conmon": (f"/machine.slice/libpod-conmon-{ID}.scope", Placement(None, ID)),
    "podman, Quadlet": (f"/system.slice/web.service/libpod-payload-{ID}", Placement("web.service", ID)),
    "podman, rootless": (f"{MANAGER}/user.slice/libpod-{ID}.scope/container", Placement(None, ID)),
    "podman, rootless Quadlet": (f"{MANAGER}/app.slice/web.service/libpod-payload-{ID}", Placement(None, ID)),
    "not 64 digits": ("/docker/0123456789abcdef", Placement()),
    "64 digits of a longer word": (f"/docker/f{ID}", Placement()),
    "LXC": ("/lxc.payload.web/system.slice/nginx.service", Placement(None, "web", "nginx.service", "lxc")),
    "LXC, without systemd": ("/lxc.payload.web", Placement(None, "web", None, "lxc")),
    "LXC, its monitor": ("/lxc.monitor.web", Placement()),
    "LXC before 4": ("/lxc/web/system.slice/nginx.service", Placement(None, "web", "nginx.service", "lxc")),
    "LXC of Proxmox": ("/lxc/101/ns/system.slice/nginx.service", Placement(None, "101", "nginx.service", "lxc")),
    "LXC in LXC": ("/lxc/web/ns/lxc/inner/system.slice/nginx.service", Placement(None, "web", None, "lxc")),
    "LXC in a service": (
        "/system.slice/lxc@web.service/lxc.payload.web/init.scope",
        Placement("lxc@web.service", "web", "init.scope", "lxc"),
    ),
    "nspawn": (
        "/machine.slice/systemd-nspawn@web.service/payload/system.slice/nginx.service",
        Placement(None, "web", "nginx.service", "nspawn"),
    ),
    "nspawn from a shell": (
        "/machine.slice/machine-web.scope/payload/init.scope",
        Placement(None, "web", "init.scope", "nspawn"),
    ),
    "nspawn, a name with a hyphen": (
        r"/machine.slice/systemd-nspawn@web\x2d1.service/payload",
        Placement(None, "web-1", None, "nspawn"),
    ),
    "nspawn, its supervisor": (
        "/machine.slice/systemd-nspawn@web.service/supervisor",
        Placement("systemd-nspawn@web.service"),
    ),
    "nspawn in a service of another name": (
        "/system.slice/web.service/payload/system.slice/nginx.service",
        Placement("web.service"),
    ),
    "nspawn in a user's service of another name": (
        f"{MANAGER}/app.slice/web.service/payload/system.slice/nginx.service",
        Placement("user@1000/web.service"),
    ),
    "a machine of libvirt's LXC": (
        r"/machine.slice/machine-lxc\x2d9\x2dweb.scope/system.slice/nginx.service",
        Placement(None, "lxc-9-web", "nginx.service", "nspawn"),
    ),
    "an engine of a snap": (f"/system.slice/snap.docker.dockerd.service/{ID}", Placement(None, ID)),
    "Nomad": (f"/system.slice/nomad.service/{ID}", Placement(None, ID)),
    "a virtual machine": (r"/machine.slice/machine-qemu\x2d1\x2dvm.scope", Placement(r"machine-qemu\x2d1\x2dvm.scope")),
}


@pytest.mark.parametrize("what", PLACES)
def test_where_a_process_belongs(what: str) -> None:
    """As systemd, Docker, containerd, CRI-O, Podman, LXC and systemd-nspawn lay out their cgroups."""
    path, expected = PLACES[what]
    found = placement(path)
    if expected.container is not None and expected.inner_unit is None and not expected.runtime:
        found = found._replace(inner_unit=None)
    assert found == expected


@pytest.mark.parametrize("what", [what for what, (_, place) in PLACES.items() if place.inner_unit])
def test_a_unit_inside_of_a_container_is_never_given_as_one_of_the_host(what: str) -> None:
    """An administrator would restart the wrong one."""
    path, expected = PLACES[what]
    assert placement(path).unit != expected.inner_unit


@given(st.binary(max_size=200).map(os.fsdecode))
def test_no_path_raises(path: str) -> None:
    """A cgroup's name is its maker's to choose."""
    placement(path)
