"""The DaemonSet's own manifest, played by Debian 13's Podman on a whole machine, with the image of `make image`.

The machine is booted, goes through vm/kube_play.py, and is gone; each test looks at a part of what it saw.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from tests.deploy import manifests
from tests.deploy.engine import engine
from tests.vm.disks import KERNELS
from tests.vm.image import build
from tests.vm.machine import Machine
from tracer.version import VERSION

pytestmark = pytest.mark.vm

PROJECT = Path(__file__).parents[2]
NAME = "kube"
SECONDS = 2400.0
"""For a boot and all that is done there, in software, on a machine that others may want too."""

Played = dict[str, Any]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Build the image, boot the machine, and give what it saw."""
    exchange = tmp_path_factory.mktemp("kube")
    with engine() as podman:
        podman.build()
        archive = ["--quiet", "--format=docker-archive", f"--output={exchange}/image.tar"]
        podman.run("save", *archive, f"localhost/resolvtrace:{VERSION}")
    (exchange / "manifests.yaml").write_text(manifests.text())
    machine = Machine(build(PROJECT / "tests/.build/vm", NAME), NAME, exchange, "tests.vm.kube_play")
    try:
        machine.wait(SECONDS)
        path = exchange / "result.json"
        assert path.exists(), f"it has no results:\n{machine.console()}"
        played: Played = json.loads(path.read_text())
        if "failure" in played:
            pytest.fail(f"{played.get('logs')}\n{played['failure']}", pytrace=False)
        yield played
    finally:
        machine.end()


@pytest.fixture(scope="module")
def container() -> manifests.Manifest:
    """Give the one container of the manifest."""
    return manifests.container_of(manifests.read())


def test_debian_13_as_it_comes(played: Played) -> None:
    """Its kernel, and its Podman."""
    assert fnmatch(played["kernel"], KERNELS[NAME].boot)
    assert played["podman"].startswith("5.")


def test_the_daemon_is_ready(played: Played) -> None:
    """With every probe attached."""
    assert played["ready"]
    assert not [line for line in played["log"] if "probe not attached" in line]


def test_it_has_what_the_manifest_gives_and_nothing_else(played: Played, container: manifests.Manifest) -> None:
    """Capabilities, mounts, a root that it cannot write, a seccomp filter, and the machine's pids."""
    security = container["securityContext"]
    started = played["started"]
    assert started["capabilities"] == sorted(f"CAP_{name}" for name in security["capabilities"]["add"])
    assert (started["read_only"], started["pid"]) == (True, "host")
    assert (started["seccomp"], started["no_new_privileges"]) == ("2", "1")
    asked = {mount["mountPath"]: not mount.get("readOnly", False) for mount in container["volumeMounts"]}
    assert asked.items() <= started["mounts"].items()


def test_its_metrics_name_the_flagged_container(played: Played) -> None:
    """By its short name; the flag goes with it."""
    (series,) = played["flag"]
    labels = dict(re.findall(r'(\w+)="([^"]*)"', series))
    assert played["shop"].startswith(labels["unit"])
    assert labels["unit"]
    assert (labels["comm"], labels["nameserver"]) == ("python3", "127.0.0.2")


def test_it_writes_its_volumes_alone(played: Played, container: manifests.Manifest) -> None:
    """Of its own root nothing but the mount points was made."""
    points = [Path(mount["mountPath"]) for mount in container["volumeMounts"]]
    allowed = {Path("/etc"), Path("/run"), *points, *(parent for point in points for parent in point.parents)}
    assert {Path(line.split()[1]) for line in played["written"]} <= allowed
    assert played["state"]


def test_nothing_is_left_when_it_is_taken_away(played: Played) -> None:
    """`podman kube down`."""
    assert played["left"] == []
