"""The state directory: what comes back, and what becomes of a file that cannot be used."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doubles import NEW, OLD, World, conf

from tracer.departed import DepartedKey, DepartedUse
from tracer.errors import ResolvtraceError
from tracer.generations import first_generation, follow
from tracer.process import Pair, PairKey, Read, Use
from tracer.procfs import Identity
from tracer.rootfs import Identity as FileIdentity
from tracer.snapshot import State, Transport
from tracer.store import Loaded, SavedProcess, SavedState, Store, saved_process
from tracer.verdict import Evidence
from tracer.views import SavedView

DIRECTORY = FileIdentity(1, 2, 3)

BOOT, OTHER_BOOT = "4f1c", "77aa"


def _state() -> SavedState:
    """Return a state with something in every field."""
    history = follow(first_generation(conf(OLD, also=("2001:db8::1",)), 90, 10), conf(NEW), 100, 120)
    evidence = Evidence(first=1, last=200, state=6, removal=120, since_removed=7, late=5, flagged=190, cleared=150)
    use = Use(queries=11, worker_queries=3, since_removed=7, removal=120, first=1, last=200)
    pairs = {
        PairKey(OLD, 5): Pair(evidence, {(53, Transport.UDP): use, (853, Transport.TLS): Use(queries=1)}, State.STALE),
        PairKey("fe80::1%eth0", 6): Pair(),
    }
    process = SavedProcess(4711, 55, 2, "abcd", True, "host", 3, (Read(60, 5), Read(70, 6)), 75, 80, 4, pairs)
    departed = {
        DepartedKey("x.service", "/usr/bin/x\udcff", "host", OLD): DepartedUse(5, 99),
        DepartedKey(None, None, None, NEW): DepartedUse(1, 98),
    }
    return SavedState(
        BOOT,
        {
            "host": SavedView("/etc/resolv.conf", DIRECTORY, history),
            "1:2:3": SavedView("/run/x/resolv.conf", DIRECTORY, history),
        },
        [process],
        departed,
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a directory that is not there yet."""
    return tmp_path / "var" / "resolvtrace"


def test_what_was_saved_comes_back(directory: Path) -> None:
    """Every field of it."""
    Store(directory).save(_state())
    assert Store(directory).load(BOOT) == Loaded(_state())


def test_what_the_ledger_has_comes_back(directory: Path) -> None:
    """A process as it is kept, and not as a test would have it."""
    world = World()
    world.start(10)
    world.make_stale(10)
    world.fork(10, 11)
    world.ask(11)
    world.tick()
    saved = [one for process in world.ledger.processes.values() if (one := saved_process(process))]
    assert [(one.pid, one.owns_state) for one in saved] == [(10, True), (11, False)]
    state = SavedState(BOOT, {"host": SavedView(world.host.path, world.host.directory, world.host.history)}, saved, {})
    Store(directory).save(state)
    assert Store(directory).load(BOOT).state == state


def test_a_process_that_could_not_be_found_again_is_not_saved() -> None:
    """It has ended, or nobody knows when it began."""
    world = World()
    world.start(10)
    world.start(11)
    world.around.identities[11] = Identity("x", start=None)
    for pid in (10, 11):
        world.ask(pid)
    world.tick()
    assert saved_process(world.process(11)) is None
    world.end(10)
    assert saved_process(world.process(10)) is None


def test_nothing_saved_is_an_empty_state(directory: Path) -> None:
    """The first start."""
    assert Store(directory).load(BOOT) == Loaded(SavedState(BOOT))


def test_another_boots_state_is_no_state_and_no_problem(directory: Path) -> None:
    """Times and pids mean nothing beyond a boot."""
    Store(directory).save(_state())
    assert Store(directory).load(OTHER_BOOT) == Loaded(SavedState(OTHER_BOOT))


def test_a_file_cut_anywhere_is_kept_aside_and_said_so(directory: Path) -> None:
    """A file system may lose the end of it."""
    store = Store(directory)
    store.save(_state())
    file = directory / "state.json"
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        loaded = store.load(BOOT)
        assert loaded.state == SavedState(BOOT)
        assert loaded.problem
        assert str(directory / "state.unusable") in loaded.problem
        assert (directory / "state.unusable").read_bytes() == whole[:length]
        assert not file.exists()


def test_an_unknown_schema_is_kept_aside_and_said_so(directory: Path) -> None:
    """A newer release was here."""
    store = Store(directory)
    store.save(_state())
    file = directory / "state.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "schema": "resolvtrace-state/99"}))
    loaded = store.load(BOOT)
    assert loaded.state == SavedState(BOOT)
    assert loaded.problem
    assert "resolvtrace-state/99" in loaded.problem
    assert (directory / "state.unusable").exists()


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "[]",
        "7",
        '"x"',
        "{}",
        '{"schema": null}',
        "\xff",
        "[" * 100_000,
    ],
)
def test_any_other_text_is_kept_aside_and_said_so(directory: Path, text: str) -> None:
    """Whatever it is, the daemon starts."""
    store = Store(directory)
    (directory / "state.json").write_text(text)
    loaded = store.load(BOOT)
    assert loaded.state == SavedState(BOOT)
    assert loaded.problem


def _parts(whole: Any) -> Iterator[tuple[Any, Any]]:
    """Give every container in a JSON value with each of its keys."""
    keys = list(whole) if isinstance(whole, dict) else list(range(len(whole)) if isinstance(whole, list) else [])
    for key in keys:
        yield whole, key
        yield from _parts(whole[key])


def test_a_part_of_another_shape_is_kept_aside_and_said_so(directory: Path) -> None:
    """Any one value lost or of another kind: used or put aside, never the end of the daemon."""
    store = Store(directory)
    store.save(_state())
    file = directory / "state.json"
    text = file.read_text()
    for number, _ in enumerate(_parts(json.loads(text))):
        for other in ("lost", None, [], {}, "x", [1], {"x": 1}):
            whole = json.loads(text)
            part, key = list(_parts(whole))[number]
            if other == "lost":
                del part[key]
            else:
                part[key] = other
            file.write_text(json.dumps(whole))
            assert store.load(BOOT).problem is None or not file.exists()


def test_the_directory_is_for_root_alone(directory: Path) -> None:
    """Who asks which nameserver is nobody else's affair."""
    Store(directory).save(_state())
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "state.json").stat().st_mode & 0o777 == 0o600


def test_a_directory_that_cannot_be_made_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    """A file stands in its place."""
    (tmp_path / "file").touch()
    with pytest.raises(ResolvtraceError, match="cannot be made") as raised:
        Store(tmp_path / "file" / "state")
    assert "--state-dir" in raised.value.remedy


@pytest.mark.parametrize("fails", ["fsync", "open", "replace"])
def test_a_save_that_fails_leaves_the_former_state(
    directory: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """The disk is full, or mounted read-only: what was saved is still there, and no half of a file beside it."""
    store = Store(directory)
    store.save(_state())

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    if fails == "replace":
        monkeypatch.setattr(Path, "replace", refuse)
    else:
        monkeypatch.setattr(os, fails, refuse)
    with pytest.raises(OSError, match="No space left"):
        store.save(SavedState(BOOT))
    monkeypatch.undo()
    assert [entry.name for entry in directory.iterdir()] == ["state.json"]
    assert store.load(BOOT).state == _state()


def test_an_unusable_file_that_cannot_be_renamed_is_said_so(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only directory: the daemon starts all the same."""
    store = Store(directory)
    (directory / "state.json").write_text("{")

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", refuse)
    loaded = store.load(BOOT)
    assert loaded.problem
    assert "not even renamed (Read-only file system)" in loaded.problem


def test_a_file_that_cannot_be_read_is_kept_aside(directory: Path) -> None:
    """A directory of that name."""
    store = Store(directory)
    (directory / "state.json").mkdir()
    loaded = store.load(BOOT)
    assert loaded.problem
    assert (directory / "state.unusable").is_dir()
