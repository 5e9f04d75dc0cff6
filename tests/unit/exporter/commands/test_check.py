"""The forms of `resolvtrace check` for scripts, Nagios and node_exporter's textfile collector."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from prometheus_client import parser as text_parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from exporter.cli import main
from exporter.text.services import formatted
from tests.support.samples import HOSTILE, Served, process, snapshot
from tracer.kernel.health import ProbeHealth
from tracer.report.snapshot import Health
from tracer.verdict.states import State


def check(daemon: Served, *words: str) -> int:
    """Run it; give its exit status."""
    return main(["check", *words, "--socket", daemon.path])


@pytest.mark.parametrize(
    ("state", "status", "begin"),
    [
        (State.STALE, 2, "RESOLVTRACE CRITICAL - 1 stale: getip[4711] (getip) | stale=1;;0;0 outdated=0;0;;0"),
        (State.OUTDATED, 1, "RESOLVTRACE WARNING - 1 outdated: getip[4711] (getip) | stale=0;;0;0 outdated=1;0;;0"),
        (State.GRACE, 0, "RESOLVTRACE OK - nothing stale | stale=0"),
        (State.CURRENT, 0, "RESOLVTRACE OK - nothing stale | stale=0"),
    ],
)
def test_nagios(daemon: Served, capsys: pytest.CaptureFixture[str], state: State, status: int, begin: str) -> None:
    """One line, with performance data, and the convention's exit status."""
    daemon.snapshot = snapshot(process(4711, state, unit="getip.service"))
    assert check(daemon, "--nagios") == status
    out = capsys.readouterr().out
    assert out.startswith(begin)
    assert out.count("\n") == 1


def test_nagios_warns_of_what_it_cannot_see(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """A probe that is not attached."""
    daemon.snapshot = snapshot(health=Health(probes=(ProbeHealth("openat2", attached=False),)))
    assert check(daemon, "--nagios") == 1
    assert "probes not attached: openat2" in capsys.readouterr().out


def test_nagios_names_a_few(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """A pager is small."""
    daemon.snapshot = snapshot(*(process(pid, State.STALE) for pid in range(1, 9)))
    check(daemon, "--nagios")
    assert "8 stale: getip[1], getip[2], getip[3], getip[4], getip[5] and 3 more |" in capsys.readouterr().out


def test_nagios_without_a_daemon_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard output, where the monitoring system looks."""
    assert main(["check", "--nagios", "--socket", "/nonexistent/socket"]) == 3
    assert capsys.readouterr().out.startswith("RESOLVTRACE UNKNOWN - no daemon")


def test_performance_data_cannot_be_forged(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """By the name of a process."""
    daemon.snapshot = snapshot(process(1, State.STALE, "x|stale=0"), process(2, State.STALE, HOSTILE))
    check(daemon, "--nagios")
    out = capsys.readouterr().out
    assert out.count("|") == 1
    assert out.count("\n") == 1
    assert out.rstrip("\n").isprintable()


def test_services(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Each service of the host's own manager once; what others, or nobody, have under a name is left out."""
    daemon.snapshot = snapshot(
        process(1, State.STALE, unit="b.service"),
        process(2, State.STALE, unit="a@x-1.service"),
        process(3, State.STALE, unit="b.service"),
        process(4, State.STALE, unit="session-3.scope"),
        process(5, State.STALE, unit="x;reboot.service"),
        process(6, State.STALE, unit="--now.service"),
        process(7, State.STALE, unit="web.service", container="0" * 64),  # Podman's Quadlet
        process(9, State.STALE, container="0" * 64),
        process(10, State.STALE, unit="user@1000/dev.service"),
        process(11, State.STALE, unit="lxc@web.service", container="web"),
        process(8, State.CURRENT, unit="c.service"),
    )
    assert check(daemon, "--services") == 1
    assert capsys.readouterr().out == "a@x-1.service\nb.service\nweb.service\n"


SYSTEMCTL = """#!/bin/sh
[ "$*" = "show --property=Id --property=PartOf -- a@1.service a@2.service b.service c.service" ] || exit 1
printf 'Id=a@1.service\\nPartOf=a.target b.service\\n\\nId=a@2.service\\nPartOf=b.service\\n\\n'
printf 'Id=b.service\\nPartOf=\\n\\nId=c.service\\nPartOf=d.service\\n'
"""


@pytest.mark.parametrize(
    ("systemctl", "services"),
    [
        (SYSTEMCTL, ["b.service", "c.service"]),
        ("#!/bin/sh\nexit 1\n", ["a@1.service", "a@2.service", "b.service", "c.service"]),
        ("", ["a@1.service", "a@2.service", "b.service", "c.service"]),
    ],
    ids=["systemd", "no manager", "no systemd"],
)
def test_what_is_restarted_with_another_unit_is_left_out(
    daemon: Served,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    systemctl: str,
    services: list[str],
) -> None:
    """As systemd says that the unit is part of it (PartOf=); without an answer all are printed."""
    if systemctl:
        (tmp_path / "systemctl").write_text(systemctl)
        (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    names = ("a@1.service", "a@2.service", "b.service", "c.service")
    daemon.snapshot = snapshot(*(process(pid, State.STALE, unit=name) for pid, name in enumerate(names, 1)))
    assert check(daemon, "--services") == 1
    assert capsys.readouterr().out.splitlines() == services


def test_print(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Any command around the name."""
    daemon.snapshot = snapshot(process(1, State.STALE, unit="b.service"))
    assert check(daemon, "--print", "systemctl restart %s # 100%%") == 1
    assert capsys.readouterr().out == "systemctl restart b.service # 100%\n"
    daemon.snapshot = snapshot(process(1, State.STALE, unit=r"dev-disk\x2d1.service"))
    assert check(daemon, "--print", "systemctl restart %s") == 1
    assert capsys.readouterr().out == "systemctl restart 'dev-disk\\x2d1.service'\n", "quoted for a shell"
    daemon.snapshot = snapshot()
    assert check(daemon, "--print", "%s") == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("form", ["systemctl", "%d", "%s %", "%%s"])
def test_a_form_without_the_name_is_refused(daemon: Served, capsys: pytest.CaptureFixture[str], form: str) -> None:
    """With status 2, and what it takes."""
    with pytest.raises(SystemExit) as ended:
        check(daemon, "--print", form)
    assert ended.value.code == 2
    assert "must contain %s" in capsys.readouterr().err


def test_a_name_is_not_read_as_a_form() -> None:
    """Whatever it looks like."""
    assert formatted("%s", ["%s%%.service"]) == ["%s%%.service"]


def test_openmetrics_is_read_by_both_kinds_of_parser(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """The textfile collector reads the older format, and fails on what only OpenMetrics knows."""
    assert check(daemon, "--openmetrics") == 1
    out = capsys.readouterr().out
    old = {
        (s.name, frozenset(s.labels.items())): s.value
        for f in text_parser.text_string_to_metric_families(out)
        for s in f.samples
    }
    families = openmetrics_parser.text_string_to_metric_families(out)  # type: ignore[no-untyped-call]
    new = {(s.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples}
    assert old == new
    assert old["resolvtrace_stale_processes", frozenset()] >= 1
    assert set(re.findall(r"^# TYPE \S+ (\S+)", out, re.MULTILINE)) == {"gauge"}
    done = subprocess.run(
        ["promtool", "check", "metrics"], check=False, input=out, capture_output=True, text=True, timeout=20
    )
    assert "error" not in done.stderr, done.stderr


def test_one_form_at_a_time(daemon: Served) -> None:
    """Two are wrong usage."""
    with pytest.raises(SystemExit) as ended:
        check(daemon, "--json", "--nagios")
    assert ended.value.code == 2
