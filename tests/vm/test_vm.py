"""The service on a whole Debian system, on each of the kernels: installed, at work, hung, restarted, purged.

The machines are booted two at a time, go through vm/experiment.py, and are gone; each test looks at a part of their
results.
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

Result = dict[str, Any]


@pytest.fixture(scope="module")
def all_results(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[dict[str, Result]]:
    """Boot the machines, and give the results of each."""
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


def read(exchange: Path, machine: Machine) -> Result:
    """Read a machine's result; if its experiment failed, say how."""
    path = exchange / "result.json"
    assert path.exists(), f"it has no result:\n{machine.console()}"
    result: Result = json.loads(path.read_text())
    if "failure" in result:
        journal = (exchange / "journal").read_text().splitlines()[-200:]
        pytest.fail("\n".join([*journal, result["failure"]]), pytrace=False)
    return result


@pytest.fixture
def result(all_results: dict[str, Result], request: pytest.FixtureRequest) -> Result:
    """Give the result of the machine with one kernel."""
    return all_results[request.param]


def by_unit(check: Result) -> dict[str, list[Result]]:
    """Give the rows of the two services that stand for themselves."""
    return {unit: [row for row in check["processes"] if row["unit"] == unit and not row["worker"]] for unit in UNITS}


def flags(check: Result) -> dict[str, dict[int, datetime]]:
    """Give since when which processes of the services are stale."""
    return {
        unit: {row["pid"]: datetime.fromisoformat(row["stale_since"]) for row in rows if row["state"] == "stale"}
        for unit, rows in by_unit(check).items()
    }


def test_debian_as_it_comes(result: Result, request: pytest.FixtureRequest) -> None:
    """The kernel that was chosen, and systemd as PID 1, which has started both services."""
    kernel = KERNELS[request.node.callspec.params["result"]]
    assert fnmatch(result["system"]["kernel"], kernel.boot)
    assert result["pid_1"] == "systemd"
    assert result["started"] == ["active", "active"]


def test_the_package_installs_and_starts_the_service(result: Result) -> None:
    """With nothing from a network; it is ready, says how it fares, and is enabled."""
    running = result["running"]
    assert (running["Type"], running["ActiveState"], running["SubState"]) == ("notify", "active", "running")
    assert (running["NRestarts"], running["UnitFileState"]) == ("0", "enabled")
    assert running["StatusText"].endswith(" tracked")


def test_what_loading_had_opened_is_closed(result: Result) -> None:
    """Debian's perf_event_paranoid is 3 again."""
    assert result["perf_event_paranoid"] == "3"


def test_every_probe_is_attached(result: Result) -> None:
    """On kernels that have kprobes and fentry and no cgroup1 too; and each once."""
    assert result["probes"]
    assert all(result["probes"].values()), result["probes"]
    attached, before = result["attached"], result["attached_before"]
    assert len(attached["tracepoints"]) == len(TRACEPOINTS)
    assert len(attached["cgroup"]) == len(CGROUP_PROGRAMS) + len(before["cgroup"])


def test_doctor_finds_no_failure(result: Result) -> None:
    """Nor a warning of the kernel."""
    assert [finding for finding in result["doctor"] if finding["result"] == "fail"] == []
    by_check = {finding["check"]: finding["result"] for finding in result["doctor"]}
    for name in ("kernel", "privileges", "bpf", "cgroup2", "tracefs", "bcc", "daemon", "probes"):
        assert by_check[name] == "ok", result["doctor"]


def test_what_loading_needed_is_given_up(result: Result) -> None:
    """CAP_BPF too: both kernels let maps be read without it."""
    for kind in ("CapEff", "CapPrm"):
        assert int(result["process"][kind], 16) == CAP_DAC_READ_SEARCH | CAP_SYS_PTRACE, kind
    assert (result["process"]["NoNewPrivs"], result["process"]["Seccomp"]) == ("1", "2")
    assert "0" not in result["process"]["Uid"].split()


def test_23_queries_are_23(result: Result) -> None:
    """On a connected socket and on one that is not, by a process of a unit."""
    assert result["counted"] == {OLD: 23, NEW: 23}
    assert result["counter_unit"] == "experiment.service"


def test_rows_of_the_scorecard_hold(result: Result) -> None:
    """Where they are gone through: connected or not, TCP, IPv6, v4-mapped, threads, fork."""
    if "rows" not in result:
        pytest.skip("the scorecard is tried on the machine itself, but for another architecture")
    assert set(result["rows"]) == set(NAMES)
    assert {name: wrong for name, wrong in result["rows"].items() if wrong} == {}


def test_both_services_are_flagged(result: Result) -> None:
    """By the names of their units; before the change neither was."""
    assert {unit: {row["state"] for row in rows} for unit, rows in by_unit(result["current"]).items()} == {
        unit: {"current"} for unit in UNITS
    }
    assert all(flags(result["stale"]).values())
    assert sorted(result["services"]) == UNITS
    lines = result["table"].splitlines()
    for unit in UNITS:
        name = unit.removesuffix(".service")
        assert any(re.match(rf"stale +\d+ +\S+ +{name} .*{re.escape(OLD)}", line) for line in lines), result["table"]


def test_a_reload_takes_a_rule_in(result: Result) -> None:
    """And leaves the process as it is."""
    assert result["ignored"] == ["sendmail.service"]
    assert result["reloaded_in_place"]


@pytest.mark.parametrize("after", ["restarted", "revived"])
def test_the_flags_outlive_the_daemon(result: Result, after: str) -> None:
    """A restart, and a hang: the same processes, flagged since the same moment."""
    stand = flags(result[after])
    for unit, flagged in flags(result["stale"]).items():
        assert flagged.keys() <= stand[unit].keys()
        # The clock of the kernel's records and the calendar's are compared again, to the microsecond or so.
        assert all(abs(stand[unit][pid] - since) < timedelta(milliseconds=100) for pid, since in flagged.items())


def test_a_loop_that_hangs_is_restarted(result: Result) -> None:
    """By systemd, once its watchdog has missed the signs of life."""
    before, after = result["watchdog"]["before"], result["watchdog"]["after"]
    assert (before["NRestarts"], after["NRestarts"]) == ("0", "1")
    assert before["MainPID"] != after["MainPID"]
    assert any("watchdog" in line.lower() for line in result["log"])


def test_the_advice_fixes_it(result: Result) -> None:
    """`systemctl restart` of each unit, and nothing else: both query the new nameserver, and nothing is stale."""
    assert result["advised"] == [f"systemctl restart {unit}" for unit in UNITS]
    for rows in by_unit(result["cured"]).values():
        assert {row["state"] for row in rows} == {"current"}
        assert {use["address"] for row in rows for use in row["nameservers"]} == {NEW}


def test_nothing_went_wrong(result: Result) -> None:
    """No error in the service's journal, nothing refused by AppArmor or seccomp, no query lost."""
    assert result["problems"] == []
    bad = [line for line in result["log"] if re.search("level=(warning|error)|Traceback", line)]
    assert [line for line in bad if "event=stale " not in line] == []
    control = 'comm="uname"'
    assert any(control in line for line in result["refusals"])
    assert [line for line in result["refusals"] if control not in line] == []
    # A reader may have exited before its file is read: the machine is so slow.
    lost = {name for name, number in result["lost"].items() if number}
    assert lost <= {"view_unreadable", "tick_killed"}, result["lost"]


def test_a_stop_leaves_nothing_attached(result: Result) -> None:
    """And is no failure."""
    assert (result["stopped"]["ActiveState"], result["stopped"]["Result"]) == ("inactive", "success")
    assert result["stopped"]["ExecMainStatus"] == "0"
    assert result["attached_after"] == result["attached_before"]


def test_a_purge_leaves_nothing_behind(result: Result) -> None:
    """No file with the project's name."""
    assert result["left_behind"] == []


def test_the_sandbox_is_no_weaker(result: Result) -> None:
    """As `systemd-analyze security` measures it; its verdict is printed."""
    verdict = result["security"].splitlines()[-1]
    print(verdict)  # noqa: T201 - for the reader of the test's output
    assert float(verdict.split(":")[1].split()[0]) <= EXPOSURE
