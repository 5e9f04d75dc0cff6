"""The manual pages: groff reads them without a word, and they tell of every command, option and key."""

from __future__ import annotations

import argparse
import re
import subprocess
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from exporter.cli import COMMANDS, build_parser
from exporter.config.configuration import load
from exporter.config.options import OPTIONS
from tracer.verdict.rules import Rule, UnitThresholds

PAGES = Path("deploy/man")
WIDTH = 80
COMMAND, CONFIGURATION = PAGES / "resolvtrace.1", PAGES / "resolvtrace.toml.5"


def shown(page: Path) -> str:
    """Give a page as man(1) shows it."""
    done = subprocess.run(
        ["man", "--warnings=w", "-E", "UTF-8", "-l", "-P", "cat", page],
        check=True,
        capture_output=True,
        text=True,
        env={"MANWIDTH": str(WIDTH), "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "MAN_KEEP_FORMATTING": ""},
    )
    assert done.stderr == ""
    return re.sub(".\b", "", done.stdout)


@pytest.mark.parametrize("page", sorted(PAGES.iterdir()), ids=lambda page: page.name)
def test_groff_has_nothing_to_warn_of(page: Path) -> None:
    """And no line is longer than the terminal."""
    assert max(map(len, shown(page).splitlines())) <= WIDTH


def test_every_command_and_option_is_reported() -> None:
    """By the parsers themselves."""
    text = shown(COMMAND)
    _, commands = build_parser([name for name, _ in COMMANDS])
    for name, parser in commands.items():
        assert re.search(rf"^ +{name}\b", text, re.MULTILINE), name
        for action in parser._actions:
            for flag in action.option_strings:
                assert flag == "-h" or flag in text, f"{name} {flag}"
                assert not isinstance(action, argparse._HelpAction) or "--help" in text


def test_every_key_is_reported_with_its_default() -> None:
    """By the table of keys."""
    text = shown(CONFIGURATION)
    for option in OPTIONS:
        value = (
            str(option.default).lower()
            if isinstance(option.default, bool)
            else f"{option.default:g}"
            if isinstance(option.default, float | int)
            else f'"{option.default}"'
        )
        assert f"{option.name.rpartition('.')[2]} = {value}" in text, option.name
    for field in (*fields(Rule), *fields(UnitThresholds)):
        assert re.search(rf"^ +(.*, )?{field.name}\b", text, re.MULTILINE), field.name


def test_the_example_is_a_right_configuration(tmp_path: Path) -> None:
    """What is copied from the page works."""
    text = CONFIGURATION.read_text()
    example = text[text.index(".EX\n") + 4 : text.index(".EE\n")].replace(r"\(aq", "'")
    assert tomllib.loads(example)["rule"]
    file = tmp_path / "resolvtrace.toml"
    file.write_text(example)
    assert len(load(file, {}).rules) == 2


@pytest.mark.parametrize("name", [None, *(name for name, _ in COMMANDS)])
def test_help_fits_a_screen(name: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 80 columns and 24 lines."""
    monkeypatch.setenv("COLUMNS", "80")
    parser, commands = build_parser([name] if name else [])
    lines = (commands[name] if name else parser).format_help().splitlines()
    assert len(lines) < 24
    assert max(map(len, lines)) < 80
