"""Completion in the real shells, from the files that are installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from exporter.cli import COMMANDS
from tests import completions
from tests.support.terminal import Terminal

FILES = {shell: Path(file) for shell, file in completions.FILES.items()}
NAMES = {name for name, _ in COMMANDS}


@pytest.mark.parametrize("shell", FILES)
def test_the_file_is_what_the_commands_make_it(shell: str) -> None:
    """`make completions` writes it."""
    assert FILES[shell].read_text() == completions.completion(shell)


def test_every_shell_reads_its_file_without_a_word() -> None:
    """And there is no file that none would read."""
    assert set(FILES.values()) == set(Path("deploy/completions").iterdir())
    for shell, file in FILES.items():
        done = subprocess.run([shell, "-n", file], check=False, capture_output=True, text=True)
        assert (done.returncode, done.stdout + done.stderr) == (0, ""), shell


def in_bash(*words: str) -> set[str]:
    """Ask bash what may stand for the last word."""
    script = """
        source "$1"; shift
        COMP_WORDS=(resolvtrace "$@"); COMP_CWORD=$#
        compopt() { :; }
        _shtab_resolvtrace resolvtrace "${!#}"; printf '%s\\n' "${COMPREPLY[@]}"
    """
    argv = ["bash", "--norc", "-c", script, "bash", str(FILES["bash"]), *words]
    return set(subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split())


def in_fish(line: str) -> set[str]:
    """Ask fish."""
    script = f"source {FILES['fish']}; complete -C {line!r}"
    argv = ["fish", "--no-config", "-c", script]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    return {one.split("\t")[0] for one in lines}


def test_bash_completes_commands_options_and_values(tmp_path: Path) -> None:
    """Those of the command that stands there."""
    (tmp_path / "one.toml").touch()
    assert in_bash("") == NAMES
    assert {"--help", "--version"} <= in_bash("--")
    assert in_bash("che") == {"check"}
    assert {"--json", "--nagios", "--socket"} <= in_bash("check", "--")
    assert "--nagios" not in in_bash("top", "--")
    assert in_bash("daemon", "--log.level", "") == {"debug", "info", "warning", "error"}
    assert in_bash("daemon", "--config", f"{tmp_path}/o") == {f"{tmp_path}/one.toml"}
    assert in_bash("top", "--delay", "") == set()


def test_fish_completes_commands_options_and_values(tmp_path: Path) -> None:
    """The same."""
    (tmp_path / "one.toml").touch()
    assert in_fish("resolvtrace ") == NAMES
    assert in_fish("resolvtrace che") == {"check"}
    assert {"--json", "--nagios", "--socket"} <= in_fish("resolvtrace check --")
    assert "--nagios" not in in_fish("resolvtrace top --")
    assert in_fish("resolvtrace daemon --log.level ") == {"debug", "info", "warning", "error"}
    assert in_fish(f"resolvtrace daemon --config {tmp_path}/o") == {f"{tmp_path}/one.toml"}


def test_zsh_completes_commands_options_and_values(tmp_path: Path) -> None:
    """In a terminal, where its completion lives."""
    (tmp_path / "_resolvtrace").write_text(FILES["zsh"].read_text())
    with Terminal(100, 24) as terminal:
        terminal.run(["env", "PS1=zsh> ", "zsh", "-f"])
        terminal.wait_for("zsh>")
        terminal.type(f"fpath=({tmp_path} $fpath)")
        terminal.press("Enter")
        terminal.type("autoload -Uz compinit && compinit -u -D && print ready")
        terminal.press("Enter")
        terminal.wait_until(lambda screen: "\nready" in screen, "completion to be there")
        terminal.type("resolvtrace expl")
        terminal.press("Tab")
        terminal.wait_for("resolvtrace explain")
        terminal.press("C-u")
        terminal.type("resolvtrace daemon --log.level d")
        terminal.press("Tab")
        terminal.wait_for("--log.level debug")
        terminal.press("C-u")
        terminal.type("resolvtrace check --na")
        terminal.press("Tab")
        terminal.wait_for("check --nagios")
