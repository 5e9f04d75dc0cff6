"""Rules and thresholds by unit, as they stand in the configuration: each checked, and refused with its line."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from tracer.addresses import canonical_text
from tracer.errors import ResolvtraceError
from tracer.rules import Action, Patience, Rule

__all__ = ["RULE", "UNIT", "Source", "patience_of", "read_users", "rules_of"]

RULE, UNIT = "rule", "unit"
"""The two arrays of tables: ``[[rule]]`` and ``[[unit]]``."""
_RULE_KEYS = tuple(field.name for field in fields(Rule))
_UNIT_KEYS = tuple(field.name for field in fields(Patience))
_PATTERNS = ("comm", "unit", "container", "user", "nameserver")
_PASSWD = Path("/etc/passwd")


class Source:
    """One file of the configuration: where it is, and where in it an array's tables begin."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self._lines = text.splitlines()

    def tables(self, name: str, data: Mapping[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Give the tables of an array and the line of each. Raises ResolvtraceError where it is none."""
        found = data.get(name, [])
        begin = re.compile(rf"\s*\[\[\s*{name}\s*\]\]|\s*{name}\s*=")
        lines = [number for number, line in enumerate(self._lines, 1) if begin.match(line)] or [1]
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise self.refuse(lines[0], f"{name} is no array of tables", f"begin each with [[{name}]]")
        for index, table in enumerate(found):
            yield lines[min(index, len(lines) - 1)], table

    def line_of(self, key: str, begin: int) -> int:
        """Give the line of a key of the table that begins at a line; that line where it is not found."""
        for number in range(begin + 1, len(self._lines) + 1):
            line = self._lines[number - 1]
            if re.match(rf"\s*{re.escape(key)}\s*=", line):
                return number
            if line.lstrip().startswith("["):
                break
        return begin

    def refuse(self, line: int, problem: str, remedy: str) -> ResolvtraceError:
        """Make the error that names the line."""
        return ResolvtraceError(f"{self.path}, line {line}: {problem}", remedy)


def rules_of(source: Source, data: Mapping[str, Any]) -> list[Rule]:
    """Read the rules of a file. Raises ResolvtraceError."""
    return [_rule(source, line, table) for line, table in source.tables(RULE, data)]


def patience_of(source: Source, data: Mapping[str, Any]) -> list[Patience]:
    """Read the thresholds by unit of a file. Raises ResolvtraceError."""
    return [_patience(source, line, table) for line, table in source.tables(UNIT, data)]


def _rule(source: Source, line: int, table: dict[str, Any]) -> Rule:
    _check_keys(source, line, table, _RULE_KEYS)
    for key, value in table.items():
        if not isinstance(value, str) or not value:
            raise source.refuse(source.line_of(key, line), f"{key} is {value!r}", "it takes a text")
    action = table.get("action")
    if action not in set(Action):
        problem = "the rule has no action" if action is None else f"action is {action!r}"
        where = line if action is None else source.line_of("action", line)
        raise source.refuse(where, problem, f"it takes one of {', '.join(Action)}")
    if not any(key in table for key in _PATTERNS):
        raise source.refuse(line, "the rule would apply to everything", f"give it one of {', '.join(_PATTERNS)}")
    named = {"name": f"{source.path.name}, line {line}", **table, "action": Action(action)}
    if "nameserver" in table:
        named["nameserver"] = _address(table["nameserver"])
    return Rule(**named)


def _address(pattern: str) -> str:
    """Write an address as all others are; what is no address is a glob."""
    try:
        return canonical_text(pattern)
    except ValueError:
        return pattern


def _patience(source: Source, line: int, table: dict[str, Any]) -> Patience:
    _check_keys(source, line, table, _UNIT_KEYS)
    if not isinstance(table.get("unit"), str) or not table["unit"]:
        raise source.refuse(line, "which units is not said", 'give it unit = "name.service", or a glob')
    for key, value in table.items():
        if key == "unit":
            continue
        whole = key == "min_queries"
        number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not number or value < whole or not math.isfinite(value):
            wanted = "a whole number from 1" if whole else "a number of seconds from 0"
            raise source.refuse(source.line_of(key, line), f"{key} is {value!r}", f"it takes {wanted}")
    return Patience(**table)


def _check_keys(source: Source, line: int, table: dict[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, 0.5)
            remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise source.refuse(source.line_of(key, line), f"there is no key {key}", remedy)


def read_users(passwd: Path = _PASSWD) -> dict[int, str]:
    """Read the names of users, of passwd(5) alone: a directory service would be asked over the network, by name."""
    users: dict[int, str] = {}
    try:
        text = passwd.read_text(errors="surrogateescape")
    except OSError:
        return users
    for line in text.splitlines():
        parts = line.split(":")
        if len(parts) > 2 and parts[2].isdecimal():  # noqa: PLR2004 - name, password, number
            users.setdefault(int(parts[2]), parts[0])
    return users
