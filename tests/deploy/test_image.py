"""The image: built as `make image` does, and run with what the DaemonSet gives it and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.demo.lab import NAME, experiment, wait_until
from tests.deploy import manifests
from tests.deploy.engine import LIMITS, Container, Engine, engine
from tests.deploy.manifests import CONTAINER, POD, UID, Manifest, cgroup_of, left_behind
from tests.support.building import build
from tests.support.lab_cgroups import Cgroups
from tracer.version import VERSION

pytestmark = pytest.mark.image

IMAGE = f"localhost/resolvtrace:{VERSION}"
MEGABYTES_ABOVE_BASE = 250
BUILD_LEFTOVERS = ("/source", "/built", "/libraries", "/root/.cache", "/usr/lib/python3/dist-packages/pip")
READY = 60.0
FLAGGED = 90.0
"""The default grace is 15 s, and others want the machine too."""
GET = """
import sys, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen("http://127.0.0.1:10953" + sys.argv[1], timeout=30)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, answer.read().decode())
"""


@pytest.fixture(scope="module")
def podman() -> Iterator[Engine]:
    """Give an engine in which the image is built."""
    with engine() as made:
        made.build()
        yield made


def test_it_is_small(podman: Engine) -> None:
    """What only the build needs is left in a stage of its own."""
    image = podman.inspect(IMAGE)
    above = image["Size"] - podman.inspect("localhost/debian-bookworm")["Size"]
    assert above <= MEGABYTES_ABOVE_BASE * 1_000_000


def test_nothing_of_the_build_is_left(podman: Engine) -> None:
    """No compiler, no pip, nothing that apt or pip fetched."""
    shell = ["--rm", "--network=none", *LIMITS, "--entrypoint=/bin/sh", IMAGE, "-c"]
    assert podman.run("run", *shell, leftovers()).split() == []


def leftovers() -> str:
    """Give a command that names what should not be in the image."""
    unwanted = " ".join(BUILD_LEFTOVERS)
    return (
        f"ls -d {unwanted} 2>/dev/null; find /var/lib/apt/lists /var/cache/apt /tmp -mindepth 1; which gcc ld pip; true"
    )


def confined(pods: Manifest, seccomp: Path, state: Path, logs: Path) -> list[str]:
    """Give Podman's options for what the DaemonSet says of its pods: every field, and fail on one that is not known."""
    (container,) = pods["containers"]
    security = dict(container["securityContext"])
    assert (security.pop("runAsUser"), security.pop("runAsGroup"), security.pop("privileged")) == (0, 0, False)
    capabilities = security.pop("capabilities")
    assert capabilities["drop"] == ["ALL"]
    options = ["--user=0:0", "--cap-drop=all", *(f"--cap-add={name}" for name in capabilities["add"])]
    assert security.pop("allowPrivilegeEscalation") is False
    assert security.pop("readOnlyRootFilesystem") is True
    options += ["--security-opt=no-new-privileges", "--read-only", "--read-only-tmpfs=false"]
    assert security.pop("appArmorProfile") == {"type": "Unconfined"}
    assert security.pop("seLinuxOptions") == {"type": "spc_t"}
    options += ["--security-opt=apparmor=unconfined", "--security-opt=label=disable"]
    assert not security
    assert pods["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert pods["hostPID"] is True
    options += [f"--security-opt=seccomp={seccomp}", "--pid=host", "--network=none"]
    options.append(f"--memory={container['resources']['limits']['memory'].removesuffix('i').lower()}")
    sources = {volume["name"]: volume for volume in pods["volumes"]}
    own = {"/var/lib/resolvtrace": state, "/var/log/pods": logs}
    for mount in container["volumeMounts"]:
        options.append(mounted(sources[mount["name"]], mount, own))
    return options


def mounted(volume: Manifest, mount: Manifest, own: dict[str, Path]) -> str:
    """Give the option for one volume; directories of the test stand for the node's own if there is one."""
    inside = mount["mountPath"]
    if "hostPath" in volume:
        path = volume["hostPath"]["path"]
        return f"--volume={own.get(path, path)}:{inside}:{'ro' if mount.get('readOnly') else 'rw'}"
    memory = volume["emptyDir"]
    assert memory["medium"] == "Memory"
    return f"--tmpfs={inside}:rw,nosuid,nodev,mode=1777,size={memory['sizeLimit'].removesuffix('i').lower()}"


class Pod:
    """The daemon in its container, and its commands there."""

    def __init__(self, container: Container) -> None:
        self.container = container

    def get(self, path: str) -> tuple[int, str]:
        """Ask its web server, in the pod's network; gives the status and the text."""
        inside = ["nsenter", f"--net=/proc/{self.container.pid}/ns/net", sys.executable, "-c", GET, path]
        done = subprocess.run(inside, check=True, capture_output=True, text=True, timeout=60)
        status, _, text = done.stdout.partition(" ")
        return int(status), text

    def check(self) -> dict[str, Any]:
        """Give what `resolvtrace check --json` prints in the container."""
        return dict(json.loads(self.container.execute("resolvtrace", "check", "--json")))

    def wait_for_state(self, pid: int, state: str, timeout: float) -> dict[str, Any]:
        """Wait until a process is in a state; gives its row."""
        found: list[dict[str, Any]] = []

        def reached() -> bool:
            found[:] = [row for row in self.check()["processes"] if row["pid"] == pid and row["state"] == state]
            return bool(found)

        wait_until(reached, timeout, f"{pid} to be {state}")
        return found[0]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give what stands for the node's directories: state and logs."""
    made = tmp_path_factory.mktemp("node")
    (made / "pods" / f"{POD}_{UID}").mkdir(parents=True)
    (made / "state").mkdir()
    return made


@pytest.fixture(scope="module")
def pod(podman: Engine, directory: Path) -> Iterator[Pod]:
    """Run the container as the DaemonSet does, until it is ready."""
    seccomp = directory / "seccomp.json"
    seccomp.write_text(subprocess.run(["deploy/container/seccomp"], check=True, capture_output=True, text=True).stdout)
    pods = manifests.pod_of(manifests.read())
    options = confined(pods, seccomp, directory / "state", directory / "pods")
    words = [IMAGE, *pods["containers"][0]["args"]]
    with Container(podman, "resolvtrace-test", directory / "log", options, words) as container:
        container.wait_for("event=ready", READY)
        yield Pod(container)


def test_every_probe_is_attached(pod: Pod) -> None:
    """And the probes of the pod say so: ready, and healthy."""
    assert all(pod.check()["health"]["probes"].values()), pod.container.log()
    assert [pod.get(path)[0] for path in ("/-/ready", "/-/healthy", "/elsewhere")] == [200, 200, 404]
    assert "probe not attached" not in pod.container.log()


def test_it_names_the_pod_that_is_left_behind(pod: Pod) -> None:
    """In `check` and in the metrics; and writes its state where the node keeps it, and nothing anywhere else."""
    loop = [str(build("getaddrinfo_loop")), NAME, "100"]
    with Cgroups() as cgroups, experiment() as lab:
        row = left_behind(lab.world, cgroups.within(cgroup_of(UID, CONTAINER), loop), pod, FLAGGED)
        status, metrics = pod.get("/metrics")
    assert row["pod"] == POD.replace("_", "/")
    assert status == 200
    (series,) = [line for line in metrics.splitlines() if line.startswith("resolvtrace_stale_resolver{")]
    assert f'comm="{row["comm"]}"' in series
    assert series.endswith(" 1.0")


def test_it_exits_well_and_has_written_its_volumes_alone(pod: Pod, podman: Engine, directory: Path) -> None:
    """SIGTERM stops it with status 0; of its own root nothing but the mount points was made."""
    assert pod.container.end() == 0, pod.container.log()
    assert list((directory / "state").iterdir())
    (container,) = manifests.pod_of(manifests.read())["containers"]
    points = [Path(mount["mountPath"]) for mount in container["volumeMounts"]]
    # Podman's own: /etc/resolv.conf and the like, which it mounts too.
    allowed = {Path("/etc"), Path("/run"), *points, *(parent for point in points for parent in point.parents)}
    changed = {Path(line.split()[1]) for line in podman.run("diff", pod.container.name).splitlines()}
    assert changed <= allowed
