"""The daemon's configuration: TOML files, and flags that override them.

Every flag has a key in the file. A key that does not exist, or a value that the daemon cannot start with, is refused
before anything is started, with the file and the key.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exporter.config.files import ConfigFile, read_files
from exporter.config.options import BY_NAME, DEFAULT_FILE, OPTIONS
from exporter.config.rules import RULE, UNIT, read_rules, read_unit_thresholds, read_users
from exporter.web.listen import check_host, parse_address
from exporter.web.webconfig import WebConfig, load_web_config
from tracer.engine import Settings
from tracer.errors import ResolvtraceError
from tracer.kernel.programs import Capacities
from tracer.verdict.rules import Policy, Rule, UnitThresholds
from tracer.verdict.verdict import Thresholds

__all__ = ["Configuration", "load"]


@dataclass(frozen=True, slots=True)
class Configuration:
    """Values by key, rules, and thresholds by unit. ``origins`` says where a value was set, by key."""

    values: dict[str, Any]
    rules: tuple[Rule, ...] = ()
    unit_thresholds: tuple[UnitThresholds, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @property
    def settings(self) -> Settings:
        """What the tracer needs."""
        capacities = Capacities(**{name: self[f"capacity.{name}"] for name in Capacities.__slots__})
        return Settings(
            Path(self["state_dir"]), self.policy, capacities, strict=self["strict"], pod_logs_dir=self["pod_logs_dir"]
        )

    @property
    def web(self) -> WebConfig:
        """What the web server needs, read from its file now. Raises ResolvtraceError."""
        if not self["web.config_file"]:
            return WebConfig()
        try:
            return load_web_config(Path(self["web.config_file"]))
        except ResolvtraceError as error:
            raise self.error("web.config_file", error) from error

    @property
    def policy(self) -> Policy:
        """What the verdict needs."""
        thresholds = Thresholds(
            self["verdict.min_queries"], float(self["verdict.grace_seconds"]), float(self["verdict.clear_seconds"])
        )
        by_user = any(rule.user is not None for rule in self.rules)
        return Policy(thresholds, self.unit_thresholds, self.rules, read_users() if by_user else {})

    def error(self, name: str, error: ResolvtraceError) -> ResolvtraceError:
        """Return an error that a key led to, with the file (or flag) and the key in front."""
        return ResolvtraceError(f"{self.origins.get(name, name)}: {error.problem}", error.remedy)

    def check_here(self) -> None:
        """Check what depends on this machine, but not on who runs already: address, paths. Raises ResolvtraceError."""
        try:
            check_host(self["web.listen_address"])
        except ResolvtraceError as error:
            raise self.error("web.listen_address", error) from error
        state_dir, socket = Path(self["state_dir"]), Path(self["socket"])
        existing = next(path for path in (state_dir, *state_dir.absolute().parents) if path.exists())
        if not existing.is_dir():
            raise self.error("state_dir", ResolvtraceError(f"{existing} is not a directory", "choose another path"))
        if socket.exists() and not socket.is_socket():
            raise self.error("socket", ResolvtraceError(f"{socket} exists and is not a socket", "choose another path"))
        if not socket.absolute().parent.parent.is_dir():
            raise self.error(
                "socket", ResolvtraceError(f"{socket.absolute().parent.parent} does not exist", "create it")
            )


def load(file: Path | None, flags: Mapping[str, Any]) -> Configuration:
    """Return the configuration of the files and the flags.

    The default file may be missing, one that is named may not. The files of the directory beside it are added in the
    order of their names: rules add up, a key that is already set is refused. ``flags``: those given, by key. Raises
    ResolvtraceError.
    """
    values: dict[str, Any] = {option.name: option.default for option in OPTIONS}
    places: dict[str, Path] = {}
    rules: list[Rule] = []
    unit_thresholds: list[UnitThresholds] = []
    for source, data in read_files(file or DEFAULT_FILE, optional=file is None):
        rules += read_rules(source, data)
        unit_thresholds += read_unit_thresholds(source, data)
        for name, value in _checked(source, data):
            if name in places:
                raise ResolvtraceError(f"{source.path}: {name} is already set in {places[name]}", "remove one")
            values[name], places[name] = value, source.path
    for name, value in flags.items():
        _require(name, value, str(BY_NAME[name].flag))
    origins = {name: f"{path}: {name}" for name, path in places.items()}
    origins |= {name: str(BY_NAME[name].flag) for name in flags}
    configured = Configuration(values | dict(flags), tuple(rules), tuple(unit_thresholds), origins)
    try:
        parse_address(configured["web.listen_address"])
    except ResolvtraceError as error:
        raise configured.error("web.listen_address", error) from error
    return configured


def _checked(source: ConfigFile, data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in _flatten({key: one for key, one in data.items() if key not in {RULE, UNIT}}, ""):
        if name not in BY_NAME:
            near = difflib.get_close_matches(name, [*BY_NAME, RULE, UNIT], 1, 0.5)
            keys = f"must be one of {', '.join(BY_NAME)}, [[{RULE}]] and [[{UNIT}]]"
            raise ResolvtraceError(f"{source.path}: unknown key {name}", f"did you mean {near[0]}?" if near else keys)
        _require(name, value, f"{source.path}: {name}")
        yield name, value


def _flatten(data: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _require(name: str, value: Any, origin: str) -> None:
    wanted = BY_NAME[name].requirement(value)
    if wanted is not None:
        raise ResolvtraceError(f"{origin} is {value!r}", f"must be {wanted}")
