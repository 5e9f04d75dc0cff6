"""`resolvtrace doctor`: its exit status, its lines, its JSON, and what it says of the daemon."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.commands import doctor
from exporter.text.diagnosis import diagnosis
from tests.support.samples import HOSTILE, Served, process, snapshot
from tracer.doctor import Finding, Result
from tracer.doctor.finding import fail, ok, warn
from tracer.kernel.health import ProbeHealth
from tracer.report.snapshot import Health
from tracer.verdict.states import State
from tracer.version import VERSION

KERNEL = ok("kernel", "Linux 6.1")
Examine = Callable[..., None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Examine:
    """Let the machine be such that these findings are made; by default all is well with it."""

    def be(*findings: Finding) -> None:
        monkeypatch.delenv("COLUMNS", raising=False)
        monkeypatch.setattr(doctor, "examine", lambda *, tracing: iter((*findings, ok("tracing", str(tracing)))))

    be(KERNEL)
    return be


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Run it; give exit status and output."""
    status = main(["doctor", *words])
    captured = capsys.readouterr()
    assert captured.err == ""
    return status, captured.out


def well(daemon: Served) -> None:
    """Let the daemon be as it should."""
    daemon.snapshot = snapshot(
        version=VERSION, health=Health(probes=(ProbeHealth("egress", True), ProbeHealth("connect4", True)))
    )


def test_all_is_well(machine: Examine, daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 0; the machine is examined in the knowledge that a daemon traces on it."""
    machine(KERNEL)
    well(daemon)
    status, out = run(capsys, "--socket", daemon.path)
    assert status == 0, out
    assert out.splitlines()[0] == "ok    kernel   Linux 6.1"
    assert "ok    tracing  True\n" in out
    assert f"ok    daemon   version {VERSION}, watching since " in out
    assert "ok    probes   all 2 attached\n" in out
    assert out.endswith("\n\nAll is well.\n")


@pytest.mark.parametrize(
    ("findings", "status", "sum_"),
    [
        ([warn("a", "x", "y")], 1, "1 warning."),
        ([fail("a", "x", "y")], 2, "1 failure."),
        ([warn("a", "x", "y"), fail("a", "x", "y"), warn("a", "x", "y"), KERNEL], 2, "1 failure, 2 warnings."),
    ],
)
def test_the_exit_status_is_the_worst(
    machine: Examine,
    daemon: Served,
    capsys: pytest.CaptureFixture[str],
    findings: list[Finding],
    status: int,
    sum_: str,
) -> None:
    """1 for warnings, 2 for failures; the last line counts them."""
    machine(*findings)
    well(daemon)
    code, out = run(capsys, "--socket", daemon.path)
    assert (code, out.splitlines()[-1]) == (status, sum_)
    assert f"\n{' ' * 15}Do: y\n" in out


@pytest.mark.usefixtures("machine")
def test_no_daemon(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A warning, since it may just not have been started; a failure if one has left its socket."""
    path = str(tmp_path / "s")
    status, out = run(capsys, "--socket", path)
    assert status == 1
    assert f"warn  daemon   no daemon is running: {path} does not exist\n" in out
    assert "Do: start it (systemctl start resolvtrace), or name its socket with --socket\n" in out
    assert "ok    tracing  False\n" in out
    assert "socket   " not in out
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)
    status, out = run(capsys, "--socket", path)
    assert status == 2
    assert f"fail  daemon   {path} is a stale socket: no daemon is running" in out


@pytest.mark.usefixtures("machine")
def test_what_is_no_socket(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """It is reported, and so is that nobody answers."""
    (tmp_path / "s").touch()
    status, out = run(capsys, "--socket", str(tmp_path / "s"))
    assert status == 2
    assert f"fail  socket   {tmp_path}/s is not a socket\n" in out


@pytest.mark.usefixtures("machine")
def test_a_socket_for_everybody(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """What processes query is not for everybody's eyes."""
    well(daemon)
    assert run(capsys, "--socket", daemon.path)[0] == 0
    os.chmod(daemon.path, 0o666)  # noqa: S103 - just that is to be found
    status, out = run(capsys, "--socket", daemon.path)
    assert status == 1
    assert f": any user may use it\n{' ' * 15}Do: chmod o= {daemon.path}\n" in out


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"version": "0.0.9"}, f"warn  daemon   version 0.0.9, but this command is {VERSION}"),
        (
            {"health": Health(probes=(ProbeHealth("egress", True), ProbeHealth("openat2", False)))},
            "warn  probes   not attached: ope",
        ),
        (
            {"health": Health(lost={"ring_full": 3, "map_full": 0})},
            "warn  losses   events lost, stale processes may be missing: ring_full 3",
        ),
    ],
)
def test_what_ails_the_daemon(
    daemon: Served, capsys: pytest.CaptureFixture[str], changes: dict[str, object], line: str
) -> None:
    """Another version, a probe that is not attached, a loss: each a warning."""
    well(daemon)
    daemon.snapshot = replace(daemon.snapshot, **changes)  # type: ignore[arg-type]
    status, out = run(capsys, "--socket", daemon.path)
    assert (status, line in out) == (1, True), out


@pytest.mark.usefixtures("machine")
def test_what_is_unidentified_is_no_warning(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """A machine that runs short commands has it all day."""
    well(daemon)
    daemon.snapshot = replace(daemon.snapshot, health=Health(unidentified={"process_gone": 7, "no_resolv_conf": 0}))
    status, out = run(capsys, "--socket", daemon.path)
    assert status == 0
    assert "process_gone 7\n" in out


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(("state", "status"), [(State.CURRENT, 0), (State.STALE, 2)])
def test_whether_nscd_follows(daemon: Served, capsys: pytest.CaptureFixture[str], state: State, status: int) -> None:
    """It queries for all that go through it; a container's own is not the host's."""
    well(daemon)
    daemon.snapshot = replace(
        daemon.snapshot, processes=(process(77, state, "nscd"), process(78, State.STALE, "nscd", view="1:2:3"))
    )
    code, out = run(capsys, "--socket", daemon.path)
    assert (code, f"nscd     pid 77 is {state}" in out, "pid 78" in out) == (status, True, False), out


def test_json(machine: Examine, daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """The same findings, with null for no remedy; the exit status is the same too."""
    machine(warn("resolv.conf", f"odd {HOSTILE}", "mend it"))
    well(daemon)
    status, out = run(capsys, "--json", "--socket", daemon.path)
    assert (status, out.isascii()) == (1, True)
    printed = json.loads(out)
    assert printed["schema"] == "resolvtrace/1"
    first, second, *_ = printed["findings"]
    assert first["remedy"] == "mend it"
    assert first["finding"].startswith("odd \x1b[31m")
    assert second == {"check": "tracing", "result": "ok", "finding": "True", "remedy": None}
    assert {"socket", "daemon", "probes", "losses"} <= {finding["check"] for finding in printed["findings"]}


def test_what_stands_in_a_file_cannot_act_on_the_terminal() -> None:
    """It may be a container's own resolv.conf."""
    text = diagnosis([warn("resolv.conf", f"no address is {HOSTILE}", f"remove {HOSTILE}")])
    assert text.count("\n") == 4
    assert "\x1b" not in text
    assert "\\x1b[31m" in text


@pytest.mark.parametrize("width", [20, 60, 80, 200])
def test_it_fits_the_terminal(width: int) -> None:
    """Long texts go on below where they began, the remedy as well; nothing is lost."""
    words = [f"word{number}" for number in range(60)]
    text = diagnosis([Finding("locked memory", Result.WARN, " ".join(words), " ".join(words))], width)
    lines = text.splitlines()
    assert max(map(len, lines)) < width
    assert max(map(len, lines)) <= 100
    assert [word for word in text.split() if word.startswith("word")] == words * 2
    assert all(line.startswith("  " if width < 60 else " " * 21) for line in lines[1:-2])
