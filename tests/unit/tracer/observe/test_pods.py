"""Pods by the paths of their cgroups and a kubelet's directory of logs, made of files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.observe.pods import Pods

ID = "0123456789abcdef" * 4
UID, STATIC = "6f1c2b7e-3d4a-4c8b-9e21-0a1b2c3d4e5f", "0123456789abcdef0123456789abcdef"
SLICE = UID.replace("-", "_")
WEB = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SLICE}.slice/cri-containerd-{ID}.scope"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Make the directory, with an ordinary pod, a static one, and what else may lie there."""
    for name in (f"shop_web-0.a_{UID}", f"kube-system_etcd-node1_{STATIC}", "lost+found", f"only_{UID[:-1]}0"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("path", "pod"),
    [
        (WEB, "shop/web-0.a"),
        (f"/kubepods.slice/kubepods-pod{SLICE}.slice/crio-{ID}.scope/container", "shop/web-0.a"),
        (f"/kubepods/besteffort/pod{UID}/{ID}", "shop/web-0.a"),
        (f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{SLICE}.slice/cri-{ID}.scope", "shop/web-0.a"),
        (f"/system.slice/containerd.service/kubepods-burstable-pod{SLICE}.slice:cri-containerd:{ID}", "shop/web-0.a"),
        (f"/../../kubepods-burstable-pod{SLICE}.slice/cri-containerd-{ID}.scope", "shop/web-0.a"),
        (f"/kubepods.slice/kubepods-burstable-pod{STATIC}.slice/cri-containerd-{ID}.scope", "kube-system/etcd-node1"),
        (f"/kubepods/pod{STATIC}/{ID}/kubepods/pod{UID}/{ID}", "shop/web-0.a"),
        (f"/kubepods/pod{UID[:-1]}0/{ID}", None),
        (f"/kubepods/pod{UID}0/{ID}", None),
        (f"/system.slice/docker-{ID}.scope", None),
        ("/system.slice/podman.service", None),
        ("/", None),
    ],
)
def test_the_pod_of_a_cgroup(logs: Path, path: str, pod: str | None) -> None:
    """Under systemd's driver and cgroupfs's, containerd and CRI-O, in a cgroup namespace, in a node that is a pod."""
    assert Pods(str(logs)).of_cgroup(path) == pod


def test_a_pod_that_came_later_is_found(logs: Path) -> None:
    """Its directory is there before its first process."""
    pods = Pods(str(logs))
    later = WEB.replace(SLICE, "0" + SLICE[1:])
    assert pods.of_cgroup(later) is None
    (logs / f"shop_late_0{UID[1:]}").mkdir()
    assert pods.of_cgroup(later) == "shop/late"


def test_a_machine_without_a_kubelet_has_no_pods(tmp_path: Path) -> None:
    """It is no error."""
    assert Pods(str(tmp_path / "none")).of_cgroup(WEB) is None


@pytest.mark.parametrize("name", ["$(reboot)_web", "shop_..", "shop_web;x", "Shop_web", "shop_", "_web", "a_b_c"])
def test_a_name_that_kubernetes_could_not_give_is_none(tmp_path: Path, name: str) -> None:
    """Advice puts it into a command."""
    (tmp_path / f"{name}_{UID}").mkdir()
    assert Pods(str(tmp_path)).of_cgroup(WEB) is None


@given(st.binary(max_size=200).map(os.fsdecode))
def test_no_path_of_a_cgroup_raises(path: str) -> None:
    """It is its maker's to choose."""
    assert Pods("/nonexistent").of_cgroup(path) is None
