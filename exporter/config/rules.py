"""Rules and thresholds by unit, as the configuration has them; an error names its line."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from exporter.config.files import ConfigFile
from exporter.config.options import MOST_SECONDS
from tracer.resolvconf.addresses import canonical_text
from tracer.verdict.rules import Action, Rule, UnitThresholds

__all__ = ["RULE", "UNIT", "read_rules", "read_unit_thresholds", "read_users"]

RULE, UNIT = "rule", "unit"
"""The two arrays of tables: ``[[rule]]`` and ``[[unit]]``."""
_RULE_KEYS = tuple(field.name for field in fields(Rule))
_UNIT_KEYS = tuple(field.name for field in fields(UnitThresholds))
_PATTERNS = ("comm", "unit", "container", "user", "nameserver")
_PASSWD = Path("/etc/passwd")


def read_rules(file: ConfigFile, data: Mapping[str, Any]) -> list[Rule]:
    """Return the rules of a file. Raises ResolvtraceError."""
    return [_rule(file, line, table) for line, table in file.tables(RULE, data)]


def read_unit_thresholds(file: ConfigFile, data: Mapping[str, Any]) -> list[UnitThresholds]:
    """Return the thresholds by unit of a file. Raises ResolvtraceError."""
    return [_unit_thresholds(file, line, table) for line, table in file.tables(UNIT, data)]


def _rule(file: ConfigFile, line: int, table: dict[str, Any]) -> Rule:
    _check_keys(file, line, table, _RULE_KEYS)
    for key, value in table.items():
        if not isinstance(value, str) or not value:
            raise file.error(file.line_of(key, line), f"{key} is {value!r}", "must be a string that is not empty")
    action = table.get("action")
    if action not in set(Action):
        problem = "the rule has no action" if action is None else f"action is {action!r}"
        where = line if action is None else file.line_of("action", line)
        raise file.error(where, problem, f"must be one of {', '.join(Action)}")
    if not any(key in table for key in _PATTERNS):
        raise file.error(line, "the rule would apply to everything", f"add one of {', '.join(_PATTERNS)}")
    named = {"name": f"{file.path.name}, line {line}", **table, "action": Action(action)}
    if "nameserver" in table:
        named["nameserver"] = _address(table["nameserver"])
    return Rule(**named)


def _address(pattern: str) -> str:
    """Return an address in canonical form, anything else (a glob) as it is."""
    try:
        return canonical_text(pattern)
    except ValueError:
        return pattern


def _unit_thresholds(file: ConfigFile, line: int, table: dict[str, Any]) -> UnitThresholds:
    _check_keys(file, line, table, _UNIT_KEYS)
    if not isinstance(table.get("unit"), str) or not table["unit"]:
        raise file.error(line, "unit is required", 'add unit = "name.service", or a glob')
    for key, value in table.items():
        if key == "unit":
            continue
        is_count = key == "min_queries"
        is_number = isinstance(value, int if is_count else int | float) and not isinstance(value, bool)
        if not is_number or not is_count <= value < math.inf or (not is_count and value > MOST_SECONDS):
            wanted = "an integer of at least 1" if is_count else f"a number of seconds from 0 to {MOST_SECONDS}"
            raise file.error(file.line_of(key, line), f"{key} is {value!r}", f"must be {wanted}")
    return UnitThresholds(**table)


def _check_keys(file: ConfigFile, line: int, table: dict[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, 0.5)
            remedy = f"did you mean {near[0]}?" if near else f"must be one of {', '.join(known)}"
            raise file.error(file.line_of(key, line), f"unknown key {key}", remedy)


def read_users(passwd: Path = _PASSWD) -> dict[int, str]:
    """Return the names of users, by passwd(5) alone: a directory service would be queried over the network, by name."""
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
