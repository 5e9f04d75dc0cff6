"""The state directory: what a restarted daemon has to know of this boot.

One file, replaced as a whole (write, fsync, rename), so that a reader finds the old state or the new and never a part.
A file that cannot be used is kept aside under another name, said so, and begun anew.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tracer.departed import DepartedKey, DepartedUse
from tracer.errors import ResolvtraceError
from tracer.generations import Generation, History, Removal
from tracer.process import Pair, PairKey, Process, Read, Use
from tracer.resolvconf import ResolvConf
from tracer.rootfs import Identity
from tracer.shapes import conforms
from tracer.snapshot import State, Transport
from tracer.verdict import Evidence
from tracer.views import HOST, SavedView

SCHEMA = "resolvtrace-state/1"
_NAME = "state.json"


@dataclass(frozen=True, slots=True)
class SavedProcess:
    """One process, as it is found again: pid, start and image say whether it is the same."""

    pid: int
    start: int
    execs: int
    image: str | None
    owns_state: bool
    view: str | None
    flags: int
    reads: tuple[Read, ...]
    checked: int
    answered: int
    workers_seen: int
    pairs: dict[PairKey, Pair]


@dataclass(slots=True)
class SavedState:
    """What was saved. Times are nanoseconds of CLOCK_BOOTTIME of the boot ``boot_id``."""

    boot_id: str
    views: dict[str, SavedView] = field(default_factory=dict)
    processes: list[SavedProcess] = field(default_factory=list)
    departed: dict[DepartedKey, DepartedUse] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was found in the state directory; ``problem`` where it could not be used."""

    state: SavedState
    problem: str | None = None


class Store:
    """The state directory."""

    def __init__(self, directory: Path) -> None:
        """Make the directory, for root alone. Raises ResolvtraceError where that is not possible."""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ResolvtraceError(
                f"the state directory {directory} cannot be made ({error.strerror})", "name another with --state-dir"
            ) from error
        self._file = directory / _NAME

    def load(self, boot_id: str) -> Loaded:
        """Read what was saved in this boot; a state of another boot, or none, is an empty one."""
        try:
            data = json.loads(self._file.read_bytes())
            if data["schema"] != SCHEMA:
                return self._set_aside(boot_id, f"its schema is {data['schema']!r}, not {SCHEMA!r}")
            return Loaded(_sound(_state_from(data)) if data["boot_id"] == boot_id else SavedState(boot_id))
        except FileNotFoundError:
            return Loaded(SavedState(boot_id))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            return self._set_aside(boot_id, f"it cannot be read ({error!r})")

    def _set_aside(self, boot_id: str, why: str) -> Loaded:
        aside = self._file.with_suffix(".unusable")
        try:
            self._file.replace(aside)
            kept = f"kept as {aside}"
        except OSError as error:
            kept = f"not even renamed ({error.strerror})"
        return Loaded(SavedState(boot_id), f"the saved state is not used, {kept}: {why}")

    def save(self, state: SavedState) -> None:
        """Replace what was saved. Raises OSError; what was saved before is then still there."""
        new = self._file.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(json.dumps(_state_to(state)).encode())
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._file)
        except OSError:
            new.unlink(missing_ok=True)
            raise


def saved_process(process: Process) -> SavedProcess | None:
    """Write a process down; None where it could not be found again."""
    start = process.identity.start
    if start is None or process.ended is not None:
        return None
    image = process.identity.image
    view = process.read_view or process.view
    return SavedProcess(
        process.pid,
        start,
        process.id.execs,
        image.hex() if image else None,
        not process.is_worker,
        view.id if view else None,
        process.flags,
        process.reads,
        process.checked,
        process.answered,
        process.workers_seen,
        process.pairs,
    )


def _state_to(state: SavedState) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "boot_id": state.boot_id,
        "views": {name: _view_to(view) for name, view in state.views.items()},
        "processes": [_process_to(process) for process in state.processes],
        "departed": [[*key, use.queries, use.last] for key, use in state.departed.items()],
    }


def _state_from(data: dict[str, Any]) -> SavedState:
    return SavedState(
        data["boot_id"],
        {name: _view_from(view) for name, view in data["views"].items()},
        [_process_from(process) for process in data["processes"]],
        {DepartedKey(*row[:4]): DepartedUse(row[4], row[5]) for row in data["departed"]},
    )


def _sound(state: SavedState) -> SavedState:
    """Give it back. Raises ValueError where a value is of another kind than it says."""
    if not conforms(state, SavedState):
        raise ValueError("a value of another kind")
    for name in state.views:
        int("0" if name == HOST else name.partition(":")[0])
    for process in state.processes:
        bytes.fromhex(process.image or "")
    return state


def _view_to(view: SavedView) -> dict[str, Any]:
    history = view.history
    return {
        "path": view.path,
        "directory": view.directory,
        "file_changed": history.file_changed,
        "generations": [asdict(generation) for generation in history.generations],
        "removals": {address: asdict(removal) for address, removal in history.removals.items()},
    }


def _view_from(data: dict[str, Any]) -> SavedView:
    generations = tuple(
        Generation(one["number"], _conf_from(one["conf"]), one["began"], one["noticed"]) for one in data["generations"]
    )
    if not generations:
        raise ValueError("a view without a generation")
    removals = {address: Removal(**removal) for address, removal in data["removals"].items()}
    return SavedView(data["path"], Identity(*data["directory"]), History(generations, data["file_changed"], removals))


def _conf_from(data: dict[str, Any]) -> ResolvConf:
    return ResolvConf(tuple(data["nameservers"]), tuple(data["also_listed"]), data["implicit"], data["lookup_seconds"])


def _process_to(process: SavedProcess) -> dict[str, Any]:
    plain = {name: getattr(process, name) for name in SavedProcess.__slots__ if name != "pairs"}
    pairs = [
        {
            "address": key.address,
            "netns": key.netns,
            "state": pair.state,
            "evidence": asdict(pair.evidence),
            "uses": [[port, transport, asdict(use)] for (port, transport), use in pair.uses.items()],
        }
        for key, pair in process.pairs.items()
    ]
    return {**plain, "pairs": pairs}


def _process_from(data: dict[str, Any]) -> SavedProcess:
    pairs = {
        PairKey(one["address"], one["netns"]): Pair(
            Evidence(**one["evidence"]),
            {(port, Transport(transport)): Use(**use) for port, transport, use in one["uses"]},
            State(one["state"]),
        )
        for one in data["pairs"]
    }
    return SavedProcess(**{**data, "reads": tuple(Read(*read) for read in data["reads"]), "pairs": pairs})
