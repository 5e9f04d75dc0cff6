"""The service on a whole Debian system, on each of the kernels: installed, at work, hung, restarted, purged.

The machines are booted two at a time, go through vm/experiment.py, and are gone; each test looks at a part of what they
told.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from exporter.demo.lab import NEW, OLD
from tests.vm.conftest import experiments
from tests.vm.disks import KERNELS
from tests.vm.image import build
from tests.vm.machine import Machine
from tests.vm.rows import NAMES
from tracer.kernel.programs import CGROUP_PROGRAMS, TRACEPOINTS

pytestmark = pytest.mark.vm

PROJECT = Path(__file__).parents[2]
AT_ONCE = 2
SECONDS = 2400.0
"""For a boot and the experiment, in software, on a machine that others may want too."""
UNITS = ["apache2.service", "sendmail.service"]
CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE = 1 << 2, 1 << 19
EXPOSURE = 2.4
"""The worst that `systemd-analyze security` may say: less is better."""

Told = dict[str, Any]


@pytest.fixture(scope="module")
def all_told(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[dict[str, Told]]:
    """Boot the machines, and give what each of them told."""
    packages = sorted((PROJECT / "dist").glob("resolvtrace_*.deb"), key=lambda path: path.stat().st_mtime)
    assert packages, "there is no package in dist/: make deb builds it"
    exchange = tmp_path_factory.mktemp("vm")
    machines: dict[str, Machine] = {}
    versions = experiments(pytestconfig)
    try:
        for at in range(0, len(versions), AT_ONCE):
            begun = versions[at : at + AT_ONCE]
            for version in begun:
                (exchange / version).mkdir()
                shutil.copy(packages[-1], exchange / version / "resolvtrace.deb")
                image = build(PROJECT / "tests/.build/vm", KERNELS[version].disk, packages[-1])
                machines[version] = Machine(image, version, exchange / version)
            for version in begun:
                machines[version].wait(SECONDS)
        yield {version: read(exchange / version, machines[version]) for version in machines}
    finally:
        for machine in machines.values():
            machine.end()


def read(exchange: Path, machine: Machine) -> Told:
    """Read what a machine told; where its experiment failed, say how."""
    path = exchange / "result.json"
    assert path.exists(), f"it told nothing:\n{machine.console()}"
    told: Told = json.loads(path.read_text())
    if "failure" in told:
        journal = (exchange / "journal").read_text().splitlines()[-200:]
        pytest.fail("\n".join([*journal, told["failure"]]), pytrace=False)
    return told


@pytest.fixture
def told(all_told: dict[str, Told], request: pytest.FixtureRequest) -> Told:
    """Give what the machine with one kernel told."""
    return all_told[request.param]


def by_unit(check: Told) -> dict[str, list[Told]]:
    """Give the rows of the two services that stand for themselves."""
    return {unit: [row for row in check["processes"] if row["unit"] == unit and not row["worker"]] for unit in UNITS}


def flags(check: Told) -> dict[str, dict[int, datetime]]:
    """Give since when which processes of the services are stale."""
    return {
        unit: {row["pid"]: datetime.fromisoformat(row["stale_since"]) for row in rows if row["state"] == "stale"}
        for unit, rows in by_unit(check).items()
    }


def test_debian_as_it_comes(told: Told, request: pytest.FixtureRequest) -> None:
    """The kernel that was asked for, and systemd as PID 1, which has started both services."""
    kernel = KERNELS[request.node.callspec.params["told"]]
    assert fnmatch(told["system"]["kernel"], kernel.boot)
    assert told["pid_1"] == "systemd"
    assert told["started"] == ["active", "active"]


def test_the_package_installs_and_starts_the_service(told: Told) -> None:
    """With nothing from a network; it is ready, says how it fares, and is enabled."""
    running = told["running"]
    assert (running["Type"], running["ActiveState"], running["SubState"]) == ("notify", "active", "running")
    assert (running["NRestarts"], running["UnitFileState"]) == ("0", "enabled")
    assert running["StatusText"].endswith(" tracked")


def test_what_loading_had_opened_is_closed(told: Told) -> None:
    """Debian's perf_event_paranoid is 3 again."""
    assert told["perf_event_paranoid"] == "3"


def test_every_probe_is_attached(told: Told) -> None:
    """On kernels that have kprobes and fentry and no cgroup1 too; and each once."""
    assert told["probes"]
    assert all(told["probes"].values()), told["probes"]
    attached, before = told["attached"], told["attached_before"]
    assert len(attached["tracepoints"]) == len(TRACEPOINTS)
    assert len(attached["cgroup"]) == len(CGROUP_PROGRAMS) + len(before["cgroup"])


def test_doctor_finds_no_failure(told: Told) -> None:
    """Nor a warning of the kernel."""
    assert [finding for finding in told["doctor"] if finding["result"] == "fail"] == []
    results = {finding["check"]: finding["result"] for finding in told["doctor"]}
    for name in ("kernel", "privileges", "bpf", "cgroup2", "tracefs", "bcc", "daemon", "probes"):
        assert results[name] == "ok", told["doctor"]


def test_what_loading_needed_is_given_up(told: Told) -> None:
    """CAP_BPF too: both kernels let maps be read without it."""
    for kind in ("CapEff", "CapPrm"):
        assert int(told["process"][kind], 16) == CAP_DAC_READ_SEARCH | CAP_SYS_PTRACE, kind
    assert (told["process"]["NoNewPrivs"], told["process"]["Seccomp"]) == ("1", "2")
    assert "0" not in told["process"]["Uid"].split()


def test_23_queries_are_23(told: Told) -> None:
    """On a connected socket and on one that is not, by a process of a unit."""
    assert told["counted"] == {OLD: 23, NEW: 23}
    assert told["counter_unit"] == "experiment.service"


def test_rows_of_the_scorecard_hold(told: Told) -> None:
    """Where they are gone through: connected or not, TCP, IPv6, v4-mapped, threads, fork."""
    if "rows" not in told:
        pytest.skip("the scorecard is tried on the machine itself, but for another architecture")
    assert set(told["rows"]) == set(NAMES)
    assert {name: wrong for name, wrong in told["rows"].items() if wrong} == {}


def test_both_services_are_flagged(told: Told) -> None:
    """By the names of their units; before the change neither was."""
    assert {unit: {row["state"] for row in rows} for unit, rows in by_unit(told["current"]).items()} == {
        unit: {"current"} for unit in UNITS
    }
    assert all(flags(told["stale"]).values())
    assert sorted(told["services"]) == UNITS
    lines = told["table"].splitlines()
    for unit in UNITS:
        name = unit.removesuffix(".service")
        assert any(re.match(rf"stale +\d+ +\S+ +{name} .*{re.escape(OLD)}", line) for line in lines), told["table"]


def test_a_reload_takes_a_rule_in(told: Told) -> None:
    """And leaves the process as it is."""
    assert told["ignored"] == ["sendmail.service"]
    assert told["reloaded_in_place"]


@pytest.mark.parametrize("after", ["restarted", "revived"])
def test_the_flags_outlive_the_daemon(told: Told, after: str) -> None:
    """A restart, and a hang: the same processes, flagged since the same moment."""
    stand = flags(told[after])
    for unit, flagged in flags(told["stale"]).items():
        assert flagged.keys() <= stand[unit].keys()
        # The clock of the kernel's records and the calendar's are told apart anew, to the microsecond or so.
        assert all(abs(stand[unit][pid] - since) < timedelta(milliseconds=100) for pid, since in flagged.items())


def test_a_loop_that_hangs_is_restarted(told: Told) -> None:
    """By systemd, once its watchdog has missed the signs of life."""
    before, after = told["watchdog"]["before"], told["watchdog"]["after"]
    assert (before["NRestarts"], after["NRestarts"]) == ("0", "1")
    assert before["MainPID"] != after["MainPID"]
    assert any("watchdog" in line.lower() for line in told["log"])


def test_the_advice_cures(told: Told) -> None:
    """`systemctl restart` of each unit, and nothing else: both ask the new nameserver, and nothing is stale."""
    assert told["advised"] == [f"systemctl restart {unit}" for unit in UNITS]
    for rows in by_unit(told["cured"]).values():
        assert {row["state"] for row in rows} == {"current"}
        assert {use["address"] for row in rows for use in row["nameservers"]} == {NEW}


def test_nothing_went_wrong(told: Told) -> None:
    """No error in the service's journal, nothing refused by AppArmor or seccomp, no query lost."""
    assert told["problems"] == []
    bad = [line for line in told["log"] if re.search("level=(warning|error)|Traceback", line)]
    assert [line for line in bad if "event=stale " not in line] == []
    control = 'comm="uname"'
    assert any(control in line for line in told["refusals"])
    assert [line for line in told["refusals"] if control not in line] == []
    # Who read a file may have exited before that is looked at: so slow is the machine.
    assert {name for name, number in told["lost"].items() if number} <= {"view_unreadable", "tick_killed"}, told["lost"]


def test_a_stop_leaves_nothing_attached(told: Told) -> None:
    """And is no failure."""
    assert (told["stopped"]["ActiveState"], told["stopped"]["Result"]) == ("inactive", "success")
    assert told["stopped"]["ExecMainStatus"] == "0"
    assert told["attached_after"] == told["attached_before"]


def test_a_purge_leaves_nothing_behind(told: Told) -> None:
    """No file with the project's name."""
    assert told["left_behind"] == []


def test_the_sandbox_is_no_weaker(told: Told) -> None:
    """As `systemd-analyze security` measures it; its verdict is printed."""
    verdict = told["security"].splitlines()[-1]
    print(verdict)  # noqa: T201 - for the reader of the test's output
    assert float(verdict.split(":")[1].split()[0]) <= EXPOSURE
