"""The manifests are what Kubernetes reads, and the daemon runs with the privileges that they give and no others."""

from __future__ import annotations

from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from cloudcoil.models.prometheus_operator.v1 import PodMonitor

from exporter.demo.lab import NAME, experiment
from tests.deploy.manifests import CONTAINER, POD, UID, Manifest, cgroup_of, container_of, left_behind, pod_of, read
from tests.deploy.monitoring import DEPLOY, SCRAPE
from tests.support.building import build
from tests.support.lab_cgroups import Cgroups
from tests.support.tracing import daemon
from tracer.observe.pods import DEFAULT_DIRECTORY
from tracer.version import VERSION

OLDEST, LATEST = "1.30", kubernetes_validate.latest_version()
"""AppArmor's field is there from 1.30 on."""


@pytest.fixture(scope="module")
def manifests() -> dict[str, Manifest]:
    """Have kubectl make them, by kind."""
    return read()


@pytest.fixture(scope="module")
def container(manifests: dict[str, Manifest]) -> Manifest:
    """Give the one container of the pods."""
    return container_of(manifests)


def test_every_file_is_part_of_it() -> None:
    """What kustomize does not read nobody applies."""
    directory = DEPLOY / "kubernetes"
    kustomization = yaml.safe_load((directory / "kustomization.yaml").read_text())
    assert {file.name for file in directory.iterdir()} == {"kustomization.yaml", *kustomization["resources"]}


@pytest.mark.parametrize("version", [OLDEST, LATEST])
@pytest.mark.parametrize("kind", ["Namespace", "ServiceAccount", "DaemonSet"])
def test_kubernetes_knows_every_field(manifests: dict[str, Manifest], kind: str, version: str) -> None:
    """By the schemas of its API, strictly."""
    kubernetes_validate.validate(manifests[kind], version, strict=True)


def test_the_prometheus_operator_knows_every_field(manifests: dict[str, Manifest]) -> None:
    """Its models drop what they do not know."""
    monitor = manifests["PodMonitor"]
    assert PodMonitor.model_validate(monitor).model_dump(mode="json", by_alias=True, exclude_none=True) == monitor


def test_the_monitor_finds_the_pods_and_names_them_as_the_rules_expect(
    manifests: dict[str, Manifest], container: Manifest
) -> None:
    """By the pods' labels and port; the job is that of the scrape configuration."""
    labels = manifests["DaemonSet"]["spec"]["template"]["metadata"]["labels"]
    spec = manifests["PodMonitor"]["spec"]
    assert spec["selector"]["matchLabels"].items() <= labels.items()
    assert [one["port"] for one in spec["podMetricsEndpoints"]] == [one["name"] for one in container["ports"]]
    assert labels[spec["jobLabel"]] == yaml.safe_load(SCRAPE.read_text())["scrape_configs"][0]["job_name"]


def test_everything_is_in_one_namespace_and_of_this_version(
    manifests: dict[str, Manifest], container: Manifest
) -> None:
    """And no token lies in the pods."""
    name = manifests["Namespace"]["metadata"]["name"]
    assert {one["metadata"].get("namespace", name) for one in manifests.values()} == {name}
    assert container["image"].endswith(f"/resolvtrace:{VERSION}")
    pod = pod_of(manifests)
    assert pod["serviceAccountName"] == manifests["ServiceAccount"]["metadata"]["name"]
    assert (pod["automountServiceAccountToken"], pod["hostPID"]) == (False, True)


def confined(container: Manifest, directory: Path) -> list[str]:
    """Give the command that runs a program as the manifest would have it: namespaces, mounts, capabilities.

    The runtime's seccomp profile, AppArmor and SELinux are not here. What the pod may write lies in ``directory``.
    """
    security = container["securityContext"]
    assert security["capabilities"]["drop"] == ["ALL"]
    assert security["readOnlyRootFilesystem"]
    read_only = [mount["mountPath"] for mount in container["volumeMounts"] if mount.get("readOnly")]
    script = """
        directory=$1; shift
        mount --bind "$directory" "$directory"
        for path in {read_only}; do
            mkdir -p "$path"
            [ "$path" != /sys/kernel/tracing ] || [ -d "$path/events" ] || mount -t tracefs tracefs "$path"
            mount --rbind "$path" "$path"
            mount -o remount,bind,ro "$path"
        done
        mount -o remount,bind,ro /
        exec "$@"
    """.format(read_only=" ".join(read_only))
    added = ",".join(f"+{name.lower()}" for name in security["capabilities"]["add"])
    namespaces = ["unshare", "--mount", "--cgroup", "--net", "--ipc", "--uts", "--propagation", "private", "--"]
    return [
        *namespaces,
        "sh",
        "-ec",
        script,
        "sh",
        str(directory),
        "setpriv",
        "--no-new-privs",
        f"--bounding-set=-all,{added}",
    ]


def test_the_daemon_does_its_work_with_these_privileges_alone(container: Manifest, tmp_path: Path) -> None:
    """It attaches every probe, and names the pod of a process that is left behind."""
    (tmp_path / "pods" / f"{POD}_{UID}").mkdir(parents=True)
    (tmp_path / "resolvtrace.d").mkdir()
    (tmp_path / "resolvtrace.d" / "pods.toml").write_text(f'pod_logs_dir = "{tmp_path}/pods"\n')
    loop = [str(build("getaddrinfo_loop")), NAME, "100"]
    with Cgroups() as cgroups, experiment() as lab:
        own = cgroups.within(cgroup_of("0" + UID[1:], CONTAINER[::-1]), confined(container, tmp_path))
        with daemon(tmp_path, within=own) as running:
            assert "probe not attached" not in running.log()
            row = left_behind(lab.world, cgroups.within(cgroup_of(UID, CONTAINER), loop), running)
    assert row["pod"] == "shop/web-0"
    assert "kubectl -n shop delete pod web-0" in row["advice"]


def test_pods_are_named_by_what_is_mounted(container: Manifest) -> None:
    """At the place where the daemon looks by itself."""
    assert DEFAULT_DIRECTORY in {mount["mountPath"] for mount in container["volumeMounts"]}
