"""The manifests of deploy/kubernetes as kubectl makes them, and pods as Kubernetes names their cgroups."""

from __future__ import annotations

import subprocess
from typing import Any, Protocol

import yaml

from exporter.demo.lab import NEW, OLD, World
from tests.deploy.monitoring import DEPLOY
from tests.support.tracing import SHORT

UID = "6f1c2b7e-3d4a-4c8b-9e21-0a1b2c3d4e5f"
CONTAINER = "0123456789abcdef" * 4
POD = "shop_web-0"
"""Namespace and name of a pod, as the kubelet's directory of its logs has them in front of its UID."""
Manifest = dict[str, Any]


class Asked(Protocol):
    """A daemon that can be waited for."""

    def wait_for_state(self, pid: int, state: str, timeout: float) -> dict[str, Any]:
        """Wait until a process is in a state; gives its row."""


def text() -> str:
    """Have kubectl make the manifests, as it applies them."""
    made = subprocess.run(
        ["kubectl", "kustomize", DEPLOY / "kubernetes"], check=True, capture_output=True, text=True, timeout=60
    )
    return made.stdout


def read() -> dict[str, Manifest]:
    """Give the manifests by kind."""
    return {one["kind"]: one for one in yaml.safe_load_all(text())}


def pod_of(manifests: dict[str, Manifest]) -> Manifest:
    """Give the description of the pods."""
    return dict(manifests["DaemonSet"]["spec"]["template"]["spec"])


def container_of(manifests: dict[str, Manifest]) -> Manifest:
    """Give the one container of the pods."""
    (only,) = pod_of(manifests)["containers"]
    return dict(only)


def cgroup_of(uid: str, container: str) -> str:
    """Name a container's cgroup as containerd does."""
    return f"kubepods.slice/kubepods-pod{uid.replace('-', '_')}.slice/cri-containerd-{container}.scope"


def left_behind(world: World, argv: list[str], running: Asked, seconds: float = 30) -> dict[str, Any]:
    """Let a process miss a change; gives its row."""
    world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
    program = world.start(argv, {"RES_OPTIONS": "no-reload"})
    running.wait_for_state(program.pid, "current", seconds)
    world.write_resolv_conf(f"nameserver {NEW}\n{SHORT}")
    return dict(running.wait_for_state(program.pid, "stale", seconds))
