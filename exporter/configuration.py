"""The daemon's configuration: a TOML file, and flags that win over it.

Every flag has a key in the file. What the file may say is the table below; anything else is refused with the nearest
key that there is, before anything is started.
"""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.keys import BY_NAME, DEFAULT_FILE, KEYS, Key
from exporter.listen import ListenError, parse_address
from exporter.rulesfile import RULE, UNIT, Source, patience_of, read_users, rules_of
from exporter.webconfig import WebConfig, load_web_config
from tracer.engine import Settings
from tracer.errors import ResolvtraceError
from tracer.kernel.programs import MOST_ENTRIES, MOST_RING_PAGES, Capacities
from tracer.rules import Patience, Policy, Rule
from tracer.verdict import Thresholds


@dataclass(frozen=True, slots=True)
class Configuration:
    """Values by key, and what adds up: rules, and thresholds by unit."""

    values: dict[str, Any]
    rules: tuple[Rule, ...] = ()
    patience: tuple[Patience, ...] = ()

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @property
    def settings(self) -> Settings:
        """What concerns the tracer."""
        capacities = Capacities(**{name: self[f"capacity.{name}"] for name in Capacities.__slots__})
        return Settings(
            Path(self["state_dir"]), self.policy, capacities, strict=self["strict"], pod_logs_dir=self["pod_logs_dir"]
        )

    @property
    def web(self) -> WebConfig:
        """What concerns the web server, read anew. Raises ResolvtraceError."""
        return load_web_config(Path(self["web.config_file"])) if self["web.config_file"] else WebConfig()

    @property
    def policy(self) -> Policy:
        """What concerns the verdict."""
        thresholds = Thresholds(
            self["verdict.min_queries"], float(self["verdict.grace_seconds"]), float(self["verdict.clear_seconds"])
        )
        by_user = any(rule.user is not None for rule in self.rules)
        return Policy(thresholds, self.patience, self.rules, read_users() if by_user else {})


def load(file: Path | None, flags: dict[str, Any]) -> Configuration:
    """Put the files and the flags together.

    The default file may be absent, one that was asked for may not. What lies in the directory beside it, ``.d`` for
    ``.toml``, is added in the order of the names: its rules to the rules; a key that stands there already is refused.
    ``flags`` holds those that were given, by key. Raises ResolvtraceError.
    """
    path = file or DEFAULT_FILE
    found: dict[str, Any] = {}
    places: dict[str, Path] = {}
    rules: list[Rule] = []
    patience: list[Patience] = []
    for source, data in _sources(path, optional=file is None):
        rules += rules_of(source, data)
        patience += patience_of(source, data)
        for name, value in _checked(data, source.path).items():
            if name in places:
                raise ResolvtraceError(
                    f"{source.path}: {name} stands in {places[name]} already", "leave it in one of them"
                )
            found[name], places[name] = value, source.path
    values = {key.name: key.default for key in KEYS} | found | flags
    return _check_address(Configuration(values, tuple(rules), tuple(patience)))


def _sources(path: Path, *, optional: bool) -> Iterator[tuple[Source, dict[str, Any]]]:
    text = _read(path, optional=optional)
    if text is not None:
        yield Source(path, text), _parsed(path, text)
    try:
        more = sorted(path.with_suffix(".d").glob("*.toml")) if path.suffix == ".toml" else []
    except OSError:
        more = []
    for own in more:
        added = _read(own, optional=False)
        if added is not None:
            yield Source(own, added), _parsed(own, added)


def _read(path: Path, *, optional: bool) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError as error:
        if optional:
            return None
        raise ResolvtraceError(f"there is no configuration file {path}", "leave --config away, or make it") from error
    except OSError as error:
        raise ResolvtraceError(
            f"the configuration file {path} cannot be read ({error.strerror})", "see its permissions"
        ) from error
    except UnicodeDecodeError as error:
        raise ResolvtraceError(f"{path} is no TOML: {error}", "correct that place") from error


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ResolvtraceError(f"{path} is no TOML: {error}", "correct that place") from error


def _check_address(configured: Configuration) -> Configuration:
    try:
        parse_address(configured["web.listen_address"])
    except ListenError as error:
        problem, _, remedy = str(error).partition(": ")
        raise ResolvtraceError(problem, remedy) from error
    return configured


def _checked(data: dict[str, Any], path: Path) -> dict[str, Any]:
    found = {}
    for name, value in _flatten({key: one for key, one in data.items() if key not in {RULE, UNIT}}, ""):
        key = BY_NAME.get(name)
        if key is None:
            near = difflib.get_close_matches(name, [*BY_NAME, RULE, UNIT], 1, 0.5)
            remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(BY_NAME)}, [[rule]] and [[unit]]"
            raise ResolvtraceError(f"{path}: there is no key {name}", remedy)
        _check(key, value, path)
        found[name] = value
    return found


def _flatten(data: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for name, value in data.items():
        if isinstance(value, dict):
            flat += _flatten(value, f"{prefix}{name}.")
        else:
            flat.append((prefix + name, value))
    return flat


def _check(key: Key, value: Any, path: Path) -> None:
    if isinstance(key.default, bool):
        _require(isinstance(value, bool), key, value, path, "true or false")
    elif isinstance(key.default, int | float):
        number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 and math.isfinite(value)
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        if key.name == "capacity.ring_pages":
            right = whole and _is_power_of_two(value) and value <= MOST_RING_PAGES
            _require(right, key, value, path, f"a power of two up to {MOST_RING_PAGES}")
        elif key.name.startswith("capacity."):
            _require(whole and value <= MOST_ENTRIES, key, value, path, f"a whole number from 1 to {MOST_ENTRIES}")
        elif isinstance(key.default, int):
            _require(whole, key, value, path, "a whole number from 1")
        else:
            _require(number, key, value, path, "a number of seconds from 0")
    elif key.choices:
        _require(value in key.choices, key, value, path, f"one of {', '.join(key.choices)}")
    else:
        _require(isinstance(value, str) and (bool(value) or not key.default), key, value, path, "a text")


def _is_power_of_two(value: int) -> bool:
    return value.bit_count() == 1


def _require(right: bool, key: Key, value: object, path: Path, wanted: str) -> None:
    if not right:
        raise ResolvtraceError(f"{path}: {key.name} is {value!r}", f"it takes {wanted}")
