"""The example play of deploy/ansible, by ansible-core: change, wait, restart what is named, wait, switch off."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.demo.lab import NAME, NEW, OLD, Experiment, Program, experiment, wait_until
from tests.support.building import build
from tests.support.lab_cgroups import Cgroups
from tests.support.tracing import RESOLVTRACE, SHORT, Daemon, daemon

pytestmark = pytest.mark.alone

PLAY = Path("deploy/ansible/change-nameservers.yml")
ANSIBLE = Path(sys.executable).with_name("ansible-playbook")
UNIT = "frozen.service"
FROZEN = {"RES_OPTIONS": "no-reload"}


class Host:
    """A host to be moved: a daemon, a service that follows, and one that does not."""

    def __init__(self, directory: Path, lab: Experiment, running: Daemon, cgroups: Cgroups) -> None:
        self.directory = directory
        self.lab = lab
        self.running = running
        self._argv = cgroups.within(UNIT, [str(build("getaddrinfo_loop")), NAME, "50"])
        self.frozen = self.start_frozen()

    def start_frozen(self) -> Program:
        """Start the service that reads the file once."""
        return self.lab.world.start(self._argv, FROZEN)

    def play(self, **variables: object) -> subprocess.Popen[str]:
        """Run the play on it; `systemctl` is one that waits for this test."""
        tools = self.directory / "bin"
        tools.mkdir()
        wanted, done = self.directory / "wanted", self.directory / "done"
        systemctl = tools / "systemctl"
        asks = f'echo "$@" >{shlex.quote(str(wanted))}; until [ -e {shlex.quote(str(done))} ]; do sleep 0.1; done'
        systemctl.write_text(f"#!/bin/sh\n{asks}\n")
        systemctl.chmod(0o755)
        own = {
            "nameservers": [NEW],
            "resolv_conf": str(self.lab.world.path("/etc/resolv.conf")),
            "resolv_conf_rest": SHORT,
            "resolvtrace": str(RESOLVTRACE),
            "socket": self.running.socket,
            "unused_for": "1s",
            "ansible_become": False,
            "ansible_python_interpreter": sys.executable,
        }
        inventory = ["--inventory", "localhost,", "--connection", "local"]
        return subprocess.Popen(
            [ANSIBLE, *inventory, "--extra-vars", json.dumps(own | variables), PLAY],
            env={
                **os.environ,
                "PATH": f"{tools}:{os.environ['PATH']}",
                "ANSIBLE_HOME": str(self.directory / "ansible"),
                "LC_ALL": "C.UTF-8",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def restart(self) -> str:
        """Do what the play calls systemctl for, once it does; gives that."""
        wanted = self.directory / "wanted"
        wait_until(wanted.exists, 120, "the play to restart something")
        self.frozen.stop()
        self.frozen = self.start_frozen()
        (self.directory / "done").touch()
        return wanted.read_text().strip()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """Let both services use the old nameserver."""
    with experiment() as lab, Cgroups() as cgroups, daemon(tmp_path / "d", host=lab.world.pid) as running:
        lab.world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
        own = Host(tmp_path, lab, running, cgroups)
        follower = lab.world.start([build("getaddrinfo_loop"), NAME, "50"])
        for program in (own.frozen, follower):
            running.wait_for_state(program.pid, "current", 10)
        yield own


def test_a_host_is_moved(host: Host) -> None:
    """What stays behind is restarted and nothing else, and in the end the old nameserver may go."""
    with host.play() as play:
        asked = host.restart()
        said, _ = play.communicate(timeout=180)
    assert play.returncode == 0, said
    assert asked == f"restart {UNIT}"
    assert (
        f"Yes, {OLD} may be switched off"
        in subprocess.run(
            [RESOLVTRACE, "who", OLD, "--since", "1s", "--socket", host.running.socket],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )


def test_a_host_on_which_something_stays_behind_is_reported(host: Host) -> None:
    """A restart that fixes nothing: the play fails with the name of the unit."""
    with host.play() as play:
        wanted = host.directory / "wanted"
        wait_until(wanted.exists, 120, "the play to restart something")
        (host.directory / "done").touch()
        said, _ = play.communicate(timeout=180)
    assert play.returncode == 2
    assert f"1 stale: {UNIT}" in said


def test_a_host_that_must_not_restart_anything_is_left_alone(host: Host) -> None:
    """The forecast names the unit before anything is changed."""
    host.running.wait_for(host.frozen.pid, lambda row: bool(row["follows"] == "no"), 90, "that it would stay")
    with host.play(restart=False) as play:
        said, _ = play.communicate(timeout=180)
    assert play.returncode == 2
    assert UNIT in said[: said.index("nothing may be restarted")]
    assert OLD in host.lab.world.path("/etc/resolv.conf").read_text()


def test_without_nameservers_nothing_is_changed(host: Host) -> None:
    """It says how to name them."""
    with host.play(nameservers=[]) as play:
        said, _ = play.communicate(timeout=180)
    assert play.returncode == 2
    assert "say which" in said
    assert OLD in host.lab.world.path("/etc/resolv.conf").read_text()
