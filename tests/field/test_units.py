"""Programs below other managers than the host's: who is to be restarted, and how."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.field.program_set import ProgramSet, ProgramSpec
from tests.field.stage import Stage, assert_says
from tests.support.lab_cgroups import Cgroups
from tests.support.tracing import Daemon

CONTAINER = "0123456789abcdef" * 4
SHORT_ID = CONTAINER[:12]
POD = "12345678_1234_1234_1234_123456789abc"
USERS = "user.slice/user-1000.slice/user@1000.service"
ITSELF = r"^restart \S+ \(pid \d+\)$"
# Where it is; the unit that `check` gives; the advice.
PLACES: dict[str, tuple[str, str | None, str]] = {
    "user": (
        f"{USERS}/app.slice/jobs.service",
        "user@1000/jobs.service",
        r"^restart it: systemctl --user --machine=1000@ restart jobs\.service$",
    ),
    "user-session": (
        f"{USERS}/session.slice/org.example.Shell@wayland.service",
        "user@1000/org.example.Shell@wayland.service",
        r"^restart it: systemctl --user --machine=1000@ restart org\.example\.Shell@wayland\.service$",
    ),
    "user-manager": (f"{USERS}/init.scope", "user@1000/init.scope", ITSELF),
    "login": ("user.slice/user-1000.slice/session-4.scope", "session-4.scope", ITSELF),
    "lxc": (
        "lxc.payload.web/system.slice/nginx.service",
        None,
        r"^restart it: lxc-attach -n web -- systemctl restart nginx\.service$",
    ),
    "lxc-user": (
        f"lxc.payload.web/{USERS}/app.slice/jobs.service",
        None,
        r"^restart it: lxc-attach -n web -- systemctl --user --machine=1000@ restart jobs\.service$",
    ),
    "nspawn-user": (
        f"machine.slice/systemd-nspawn@web.service/payload/{USERS}/app.slice/jobs.service",
        None,
        r"^restart it: systemctl --user --machine=1000@web restart jobs\.service$",
    ),
    "lxc-without-units": ("lxc.payload.web", None, r"^restart LXC container web$"),
    "nspawn": (
        "machine.slice/systemd-nspawn@web.service/payload/system.slice/ssh.service",
        None,
        r"^restart it: systemctl --machine=web restart ssh\.service$",
    ),
    "nspawn-escaped": (
        r"machine.slice/systemd-nspawn@web\x2d1.service/payload/system.slice/ssh.service",
        None,
        r"^restart it: systemctl --machine=web-1 restart ssh\.service$",
    ),
    "nspawn-scope": (
        "machine.slice/machine-web.scope/payload/system.slice/ssh.service",
        None,
        r"^restart it: systemctl --machine=web restart ssh\.service$",
    ),
    "lxc-in-nspawn": (
        "machine.slice/systemd-nspawn@web.service/payload/lxc.payload.inner/system.slice/ssh.service",
        None,
        r"^restart machine web: machinectl reboot web$",
    ),
    "docker-in-lxc": (f"lxc.payload.web/docker/{CONTAINER}", None, r"^restart LXC container web$"),
    "container-with-units": (
        f"system.slice/docker-{CONTAINER}.scope/system.slice/ssh.service",
        None,
        rf"^restart container {SHORT_ID}$",
    ),
    "pod": (
        f"system.slice/containerd.service/kubepods-burstable-pod{POD}.slice:cri-containerd:{CONTAINER}",
        None,
        rf"^restart container {SHORT_ID}$",
    ),
    "container-of-a-unit": (
        f"system.slice/web.service/libpod-payload-{CONTAINER}",
        "web.service",
        r"^restart it: systemctl restart web\.service$",
    ),
    "container-of-docker": (f"system.slice/docker.service/{CONTAINER}", None, rf"^restart container {SHORT_ID}$"),
    "escaped": (
        r"system.slice/my\x2dapp.service",
        r"my\x2dapp.service",
        r"^restart it: systemctl restart 'my\\x2dapp\.service'$",
    ),
    "instance": (
        "system.slice/system-worker.slice/worker@3.service",
        "worker@3.service",
        r"^restart it: systemctl restart worker@3\.service$",
    ),
    "delegated": (
        "system.slice/worker.service/jobs/7",
        "worker.service",
        r"^restart it: systemctl restart worker\.service$",
    ),
}


@pytest.fixture(scope="module")
def programs(running: Daemon) -> Iterator[ProgramSet]:
    """Start one in each place, and change the file."""
    with Cgroups() as cgroups, Stage(running) as stage:
        programs = ProgramSet(stage)
        programs.start(
            {
                name: ProgramSpec("frozen", within=tuple(cgroups.within(path, ())))
                for name, (path, _, _) in PLACES.items()
            }
        )
        stage.change_past_grace()
        yield programs


@pytest.mark.parametrize("name", PLACES)
def test_who_is_restarted_and_how(programs: ProgramSet, name: str) -> None:
    """The advice is for the manager that the program belongs to."""
    _, unit, advice = PLACES[name]
    row = programs.when(name, "stale")
    assert row["unit"] == unit
    assert_says(row, "", advice)


def test_services_are_the_host_s_own(programs: ProgramSet) -> None:
    """Neither --services nor --print names what the host's own manager would not find, or a shell would misread."""
    for name in PLACES:
        programs.when(name, "stale")
    services = programs.stage.command("check", "--services").stdout.splitlines()
    assert {r"my\x2dapp.service", "worker@3.service", "worker.service"} <= set(services)
    assert not {"jobs.service", "ssh.service", "nginx.service", "containerd.service"} & set(services)
    assert not [service for service in services if "/" in service]
    printed = programs.stage.command("check", "--print", "systemctl restart %s").stdout
    assert r"systemctl restart 'my\x2dapp.service'" in printed.splitlines()
