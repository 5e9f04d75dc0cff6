"""Who a process is to an administrator: unit, container, user and program; also if it has exited, or lies about it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import parser as text_parser

from exporter.demo.lab import NAME, OLD, OLD_ANSWER, Program, World, experiment, wait_until
from tests.support.building import build
from tests.support.lab_cgroups import Cgroups
from tests.support.tracing import RESOLVTRACE, SHORT, Daemon, daemon

pytestmark = pytest.mark.alone

NAMESERVER, BRIEF = "192.0.2.53", "192.0.2.99"
CONTAINER = "0123456789abcdef" * 4
POD_UID, POD_LOGS = "6f1c2b7e_3d4a_4c8b_9e21_0a1b2c3d4e5f", "shop_web-0_6f1c2b7e-3d4a-4c8b-9e21-0a1b2c3d4e5f"
UID = 12345
CASES = {
    "service": ("system.slice/foo.service", "foo.service", None),
    "template": ("system.slice/system-foo.slice/foo@bar.service", "foo@bar.service", None),
    "user": ("user.slice/user-1000.slice/user@1000.service/app.slice/app-foo.scope", "user@1000/app-foo.scope", None),
    "docker": (f"system.slice/docker-{CONTAINER}.scope", None, CONTAINER),
    "pod": (f"kubepods.slice/kubepods-pod1.slice/cri-containerd-{CONTAINER}.scope", None, CONTAINER),
    "named pod": (f"kubepods.slice/kubepods-pod{POD_UID}.slice/cri-containerd-{CONTAINER}.scope", None, CONTAINER),
    "inside": (f"system.slice/docker-{CONTAINER}.scope/system.slice/bar.service", None, CONTAINER),
    "none": ("neither", None, None),
}
HOSTILE = b'\x1b]0;x\x07\n"\\\xff}'
"""Sets a terminal's title, ends lines, quotes and labels, and is no UTF-8; short enough for comm."""
HOSTILE_SHOWN = '\\x1b]0;x\\x07\\x0a"\\\\xff}'
HOSTILE_UNIT = 'x\x1b[2J"\\.service'


@pytest.fixture(scope="module")
def cgroups() -> Iterator[Cgroups]:
    """Give cgroups that are removed after the tests."""
    with Cgroups() as made:
        yield made


@dataclass(frozen=True)
class Run:
    """What a daemon knew of the living, and what it kept of those that are gone: (exe, view, queries) by unit."""

    rows: dict[str, dict[str, Any]]
    gone: dict[str | None, tuple[str, str, int]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, cgroups: Cgroups) -> Run:
    """Let processes query that live on, and others that exit before anybody can read /proc, below one daemon."""
    asks = [str(build("send_queries")), "sendto", "23"]
    services = [cgroups.within(f"system.slice/{unit}", [*asks, BRIEF]) for unit in ("gone.service", "gone.service")]
    services.append(cgroups.within(f"system.slice/docker-{CONTAINER}.scope", [*asks, BRIEF]))
    directory = tmp_path_factory.mktemp("identity")
    (directory / "pods" / POD_LOGS).mkdir(parents=True)
    (directory / "resolvtrace.d").mkdir()
    (directory / "resolvtrace.d" / "pods.toml").write_text(f'pod_logs_dir = "{directory}/pods"\n')
    with (
        daemon(directory) as running,
        World([NAMESERVER, BRIEF], f"nameserver {NAMESERVER}\n") as world,
    ):
        for address in (NAMESERVER, BRIEF):
            world.nameserver(address, {NAME: OLD_ANSWER})
        shell = world.start(["sh", "-c", 'while read -r line; do sh -c "$line"; done'])
        programs = {
            name: world.start(cgroups.within(path, [*asks, NAMESERVER]), {"STAY": "1"})
            for name, (path, _, _) in CASES.items()
        }
        programs["user id"] = world.start(
            ["setpriv", f"--reuid={UID}", "--clear-groups", *asks, NAMESERVER], {"STAY": "1"}
        )
        rows = {name: running.wait_for(one.pid, asked_23, 10, "its queries") for name, one in programs.items()}
        for number, argv in enumerate(services, 1):
            run_in(shell, argv, number)
        running.settle()
        # A unit that has just begun: its cgroup is new.
        run_in(shell, cgroups.within("system.slice/new.service", [*asks, BRIEF]), len(services) + 1)
        running.settle()
        assert running.stop() == 0
        past_uses = running.saved()["past_uses"]
    exited = {}
    for (unit, exe, view, nameserver), use in past_uses:
        if nameserver == BRIEF:
            exited[unit] = (exe, view, use["queries"])
    return Run(rows, exited)


def run_in(shell: Program, argv: Sequence[str], number: int) -> None:
    """Let a shell run a program to its end, the shell's ``number``-th; it lives for some milliseconds."""
    shell.write_line(" ".join(f"'{word}'" for word in argv))
    wait_until(lambda: shell.output().count("done") == number, 10, "it to be gone")


def test_a_pod_has_the_name_that_the_kubelet_gave_its_logs(run: Run) -> None:
    """And one that has no logs there has none."""
    assert run.rows["named pod"]["pod"] == "shop/web-0"
    assert run.rows["pod"]["pod"] is None


@pytest.mark.parametrize("name", CASES)
def test_unit_and_container_are_those_of_the_cgroup(run: Run, name: str) -> None:
    """Named as systemd, Docker and containerd name them; a unit inside a container is none of the host's."""
    _, unit, container = CASES[name]
    assert (run.rows[name]["unit"], run.rows[name]["container"]) == (unit, container)


def test_program_and_user_are_those_that_run(run: Run) -> None:
    """Each of them under its own user."""
    for name, row in run.rows.items():
        assert (row["comm"], row["exe"]) == ("send_queries", str(build("send_queries")))
        assert row["uid"] == (UID if name == "user id" else 0)
        assert row["started_at"] is not None


def test_what_is_gone_keeps_unit_program_and_view(run: Run) -> None:
    """From what the kernel side noted: the number of its cgroup, the file of its exec, the root it was born with."""
    exe, view = str(build("send_queries")), run.rows["none"]["view"]
    assert view != "host"
    assert run.gone["gone.service"] == (exe, view, 46)
    assert sum(queries for _, _, queries in run.gone.values()) == 4 * 23


def test_what_is_gone_keeps_a_unit_that_was_new(run: Run) -> None:
    """A timer's service is new each time that it runs."""
    assert run.gone.keys() == {None, "gone.service", "new.service"}


def asked_23(row: dict[str, Any]) -> bool:
    """Say whether all its queries are counted."""
    return [use["queries"] for use in row["nameservers"]] == [23]


def test_a_hostile_name_acts_nowhere(tmp_path: Path, cgroups: Cgroups) -> None:
    """Name, path and unit are under their owner's control: shown so that they do nothing, and can be distinguished."""
    program = shutil.copy(build("getaddrinfo_loop"), tmp_path / os.fsdecode(HOSTILE))
    with daemon(tmp_path / "daemon") as running, experiment() as lab:
        lab.world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
        argv = cgroups.within(HOSTILE_UNIT, [str(program), NAME, "50"])
        frozen = lab.world.start(argv, {"RES_OPTIONS": "no-reload"})
        row = running.wait_for_state(frozen.pid, "current", 10)
        assert row["comm"] == HOSTILE_SHOWN.replace("\\x1b", "\x1b").replace("\\x07", "\x07").replace("\\x0a", "\n")
        assert row["exe"].endswith("/" + row["comm"])
        assert row["unit"] == HOSTILE_UNIT
        lab.change()
        running.wait_for_state(frozen.pid, "stale", 20)
        shown = [check(running, *flags) for flags in ((), ("--all",), ("--json",))]
        metrics = running.metrics()
        wait_until(lambda: "event=stale " in running.log(), 5, "the log to tell")
        log = running.log()
    for text in [*shown, metrics, log]:
        assert not [character for character in text if not character.isprintable() and character != "\n"]
        assert str(frozen.pid) in text or text is metrics
    assert HOSTILE_SHOWN in shown[0]
    lines = [line for line in log.splitlines() if "event=stale " in line and str(frozen.pid) in line]
    assert len(lines) == 1
    families = {family.name: family for family in text_parser.text_string_to_metric_families(metrics)}
    labels = [sample.labels for sample in families["resolvtrace_stale_resolver"].samples]
    unit = HOSTILE_UNIT.replace("\x1b", "\\x1b")
    assert {"comm": HOSTILE_SHOWN, "unit": unit, "nameserver": OLD} in labels


def check(running: Daemon, *flags: str) -> str:
    """Run `resolvtrace check` as an administrator does."""
    argv = [str(RESOLVTRACE), "check", "--socket", running.socket, *flags]
    done = subprocess.run(argv, check=False, stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == 1
    return done.stdout.decode()
