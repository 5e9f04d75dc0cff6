"""The command line: exit statuses, usage, and what is not imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.feed.check_json import to_json
from tests.support.samples import Served, full, process, snapshot
from tracer.verdict.states import State


def test_check_exits_with_1_if_something_is_stale(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """And shows it."""
    assert main(["check", "--socket", daemon.path]) == 1
    assert "systemctl restart sendmail.service" in capsys.readouterr().out


@pytest.mark.parametrize("state", sorted(set(State) - {State.STALE}))
def test_check_exits_with_0_if_nothing_is_stale(daemon: Served, state: State) -> None:
    """Any other state is no flag."""
    daemon.snapshot = snapshot(process(1, state))
    assert main(["check", "--socket", daemon.path]) == 0


def test_check_json_prints_the_form(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """One object, plain ASCII, with the exit status of the table."""
    assert main(["check", "--json", "--socket", daemon.path]) == 1
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == to_json(full())


def test_check_all_shows_what_is_well(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Every tracked process has a row."""
    main(["check", "--all", "--socket", daemon.path])
    assert "sshd" in capsys.readouterr().out


def test_check_fits_the_terminal(
    daemon: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its width is taken from COLUMNS or the terminal."""
    monkeypatch.setenv("COLUMNS", "80")
    main(["check", "--socket", daemon.path])
    assert max(map(len, capsys.readouterr().out.splitlines())) < 80


def test_check_exits_with_3_if_no_daemon_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """One line on standard error says what and what to do; a path on it cannot act on the terminal."""
    assert main(["check", "--socket", "/nonexistent/\x1b"]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(
        "resolvtrace check: no daemon is running: /nonexistent/\\x1b does not exist: start it"
    )
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["--all"], ["chek"], ["check", "--no-such-flag"], ["check", "extra"]])
def test_wrong_usage_exits_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """As argparse has it."""
    with pytest.raises(SystemExit) as exit_:
        main(words)
    assert exit_.value.code == 2
    assert "usage: resolvtrace" in capsys.readouterr().err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Without importing any of them."""
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert all(f"    {command}" in out for command in ("daemon", "check", "demo"))


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    """``resolvtrace 0.1.0`` and the like."""
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out.startswith("resolvtrace 0.")


def test_check_stays_light(daemon: Served) -> None:
    """It is run from scripts and every minute: nothing of the daemon's is imported for it."""
    program = (
        "import sys; from exporter.cli import main; main(sys.argv[1:]);"
        "heavy = {'bcc', 'prometheus_client', 'pyroute2', 'structlog', 'h11', 'asyncio'} & set(sys.modules);"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = run(["-c", program, "check", "--socket", daemon.path])
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_that_goes_away_is_no_traceback(daemon: Served) -> None:
    """``resolvtrace check | head -1``."""
    daemon.snapshot = snapshot(*(process(pid, State.STALE) for pid in range(1, 2000)))
    shell = '("$0" -m exporter.cli check --socket "$1"; echo "status $?" >&2) | head -1'
    assert run(["-c", shell, sys.executable, daemon.path], program="sh").stderr == "status 141\n"


def test_characters_that_the_terminal_lacks_are_shown_as_escapes(daemon: Served) -> None:
    """In a locale of plain ASCII nothing fails."""
    daemon.snapshot = snapshot(process(1, State.STALE, "名前"))
    done = run(["-m", "exporter.cli", "check", "--socket", daemon.path], PYTHONIOENCODING="ascii")
    assert done.returncode == 1
    assert "\\u540d\\u524d" in done.stdout


def run(words: list[str], program: str = sys.executable, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python, or another program, in an environment without anybody's Python settings."""
    return subprocess.run(
        [program, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[3]), **environment},
    )
