"""The state directory: what comes back, and what becomes of a file that cannot be used."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from tests.support.doubles import NEW, OLD, conf
from tests.support.world import World
from tracer.errors import ResolvtraceError
from tracer.identity import Identity
from tracer.ledger.lookup_path import LookupKinds
from tracer.ledger.pair import Pair, PairKey, Use
from tracer.ledger.past_uses import PastUseCount, PastUseKey
from tracer.ledger.process import ProcessFacts, ProcessId
from tracer.ledger.resolver_state import Origin, Read, ResolverStateFacts
from tracer.ledger.saved import ProcessRecord, Saved, StateRecord, what_changed
from tracer.ledger.store import Loaded, Store
from tracer.lookups import Transport
from tracer.observe.rootfs import Identity as FileIdentity
from tracer.resolvconf.history import History, first_generation, follow
from tracer.resolvconf.view_table import SavedView
from tracer.verdict.answers import Answering
from tracer.verdict.following import Look, QueryPattern
from tracer.verdict.states import State
from tracer.verdict.verdict import Evidence, FirstRead

DIRECTORY = FileIdentity(1, 2, 3)

BOOT, OTHER_BOOT = "4f1c", "77aa"


def _saved() -> Saved:
    """Return a state with something in every field."""
    history = follow(first_generation(conf(OLD, also=("2001:db8::1",)), 90, 10), conf(NEW), 100, 120)
    evidence = Evidence(1, 200, 190, 120, since_removed=7, late=5, flagged=190, cleared=150)
    use = Use(11, worker_queries=3, since_removed=7, removal=120, first=1, last=200, inherited=2)
    process = ProcessRecord(
        ProcessId(4711, 55, 2),
        77,
        line=(4 << 40,),
        parent=(4, 44),
        identity=Identity("x\udcff", "/usr/bin/x", 5, "x.service", "c", "a/b", 50, b"\x01", "y.service", "lxc"),
        own_view="1:2:3",
        flags=7,
        checked=75,
        answered=80,
        uses_nscd=True,
        absent="/var/spool/postfix/etc/resolv.conf",
        workers_seen=4,
        lookups=LookupKinds(1, 2, 3),
        pairs={
            PairKey(OLD, 5): Pair(
                evidence,
                {(53, Transport.UDP): use, (853, Transport.TLS): Use(queries=1)},
                State.STALE,
                answering=Answering(queried=7),
            ),
            PairKey("fe80::1%eth0", 6): Pair(),
        },
        helper=(4, 44, 77),
        query_pattern=QueryPattern([Look(1, 2, 3)], 5, 6, 7, 8, 9, 10, 11, watches=False),
    )
    views = {
        name: SavedView(path, DIRECTORY, history)
        for name, path in (("host", "/etc/resolv.conf"), ("1:2:3", "/run/x/resolv.conf"))
    }
    state = StateRecord(
        77, (Read(60, 1), Read(70, 2)), (FirstRead(1, 60),), Origin(4, 44, None), 65, view="host", image=b"\x02"
    )
    past = {
        PastUseKey("x.service", "/usr/bin/x\udcff", "host", OLD): PastUseCount(5, 99),
        PastUseKey(None, None, None, NEW): PastUseCount(1, 98),
    }
    return Saved(views, [state], [process], past)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a directory that is not there yet."""
    return tmp_path / "var" / "resolvtrace"


@pytest.fixture
def store(directory: Path) -> Iterator[Store]:
    """Return a store in it."""
    store = Store(directory)
    yield store
    store.close()


def test_the_example_has_every_fact() -> None:
    """So a new one is tried by the tests below."""
    (process,), (state,) = _saved().processes, _saved().states
    assert not _defaults(ProcessFacts, process)
    assert not _defaults(ResolverStateFacts, state)


def _defaults(kind: Any, one: object) -> list[str]:
    return [
        field.name
        for field in fields(kind)
        if getattr(one, field.name) == (field.default if field.default_factory is MISSING else field.default_factory())
    ]


@pytest.mark.parametrize("ended", [True, False])
def test_what_was_saved_comes_back(store: Store, *, ended: bool) -> None:
    """Every field of it, and whether the daemon exited by itself."""
    store.save(BOOT, _saved(), ended=ended)
    assert store.load(BOOT) == Loaded(_saved(), killed=not ended)


def test_what_the_ledger_has_comes_back(store: Store) -> None:
    """A process as it is kept, and not as a test would have it."""
    world = World()
    world.start(10)
    world.make_stale(10)
    world.fork(10, 11)
    world.query(11)
    world.tick()
    saved = world.saved()
    assert [(one.id.pid, bool(one.line)) for one in saved.processes] == [(10, False), (11, True)]
    store.save(BOOT, saved)
    assert store.load(BOOT).saved == saved


# The journal.


def test_what_changed_since_is_added_to_what_was_saved(directory: Path, store: Store) -> None:
    """By a daemon that was killed: the next one has all but the running tick."""
    world = World()
    world.start(10)
    world.make_stale(10)
    world.ledger.take_unsaved()
    store.save(BOOT, world.saved())
    world.start(11)
    world.query(11)
    world.query(10)
    world.tick()
    for _ in range(2):
        store.append(what_changed(world.ledger, world.ledger.take_unsaved(), [world.host]))
        world.query(11)
        world.tick()
    store.append(what_changed(world.ledger, world.ledger.take_unsaved(), []))
    loaded = store.load(BOOT)
    assert loaded.killed
    assert _by_pid(loaded.saved) == _by_pid(world.saved())
    assert sorted(one.id for one in loaded.saved.states) == sorted(one.id for one in world.saved().states)
    # Half a line was being written when the power went.
    with (directory / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"processes":[{"id"')
    assert store.load(BOOT) == loaded


def _by_pid(saved: Saved) -> dict[int, ProcessRecord]:
    return {one.id.pid: one for one in saved.processes}


def test_what_is_counted_without_a_tick_is_saved_when_it_is_time(store: Store) -> None:
    """The counts, and nothing that has not changed: it may be everybody."""
    world = World()
    world.start(10)
    world.read(10)
    for _ in range(5):
        world.check(10)
        world.query(10)
        world.tick(2.0)
    world.ledger.take_unsaved()
    store.save(BOOT, world.saved())
    world.query(10, times=3)
    world.count_steady()
    assert what_changed(world.ledger, world.ledger.take_unsaved(), []).is_empty()
    counted = what_changed(world.ledger, world.ledger.take_unsaved(), [], world.ledger.take_unsaved_counts())
    assert ([one.id.pid for one in counted.processes], counted.states) == ([10], [])
    store.append(counted)
    assert _by_pid(store.load(BOOT).saved) == _by_pid(world.saved())


def test_who_exited_since_is_kept_no_more(store: Store) -> None:
    """Its past use comes back in its place."""
    world = World()
    world.start(10)
    world.query(10, OLD, 3)
    world.tick()
    world.ledger.take_unsaved()
    store.save(BOOT, world.saved())
    world.exit(10)
    for _ in range(2):
        world.tick()
        store.append(what_changed(world.ledger, world.ledger.take_unsaved(), []))
    saved = store.load(BOOT).saved
    assert not saved.processes
    assert [use.queries for use in saved.past_uses.values()] == [3]


def test_what_is_noted_before_the_first_save_belongs_to_the_state_that_was_loaded(directory: Path) -> None:
    """The daemon before was stopped well and left no journal; this one is killed after its first tick."""
    with closing(Store(directory)) as before:
        before.save(BOOT, Saved(), ended=True)
    world = World()
    world.start(10)
    world.query(10)
    world.tick()
    with closing(Store(directory)) as store:
        store.load(BOOT)
        store.append(what_changed(world.ledger, world.ledger.take_unsaved(), []))
        assert set(_by_pid(store.load(BOOT).saved)) == {10}


def test_a_journal_that_went_with_an_older_state_is_no_part_of_this_one(directory: Path, store: Store) -> None:
    """The daemon was killed between the two: what the journal says is in the new state already."""
    store.save(BOOT, Saved())
    store.append(_saved())
    journal = (directory / "journal.jsonl").read_bytes()
    store.save(BOOT, Saved())
    (directory / "journal.jsonl").write_bytes(journal)
    assert store.load(BOOT).saved == Saved()


def test_a_journal_of_a_daemon_that_was_killed_is_followed_by_another_number(directory: Path) -> None:
    """The next daemon's first state does not take the old journal for its own."""
    store = Store(directory)
    store.save(BOOT, Saved())
    store.append(Saved(left=[ProcessId(1, 2, 3)]))
    store.close()
    again = Store(directory)
    again.load(BOOT)
    journal = (directory / "journal.jsonl").read_bytes()
    again.save(BOOT, _saved())
    (directory / "journal.jsonl").write_bytes(journal)
    assert again.load(BOOT).saved == _saved()
    again.close()


def test_a_journal_is_replaced_when_it_is_longer_than_the_state(directory: Path, store: Store) -> None:
    """So that neither file grows without bounds."""
    store.save(BOOT, Saved())
    appended = 0
    while not store.journal_is_long:
        store.append(_saved())
        appended += 1
    assert appended > 10
    assert (directory / "journal.jsonl").stat().st_size < 1 << 20
    store.save(BOOT, _saved())
    assert not store.journal_is_long
    assert not (directory / "journal.jsonl").exists()


def test_a_journal_that_finds_no_room_is_an_error(store: Store) -> None:
    """The daemon then saves everything, once there is room."""
    store.save(BOOT, Saved())
    store.append(Saved())

    class Full:
        def write(self, line: bytes) -> int:
            return len(line) // 2

        def close(self) -> None:
            pass

    assert store._journal is not None
    store._journal.close()
    store._journal = Full()  # type: ignore[assignment]
    with pytest.raises(OSError, match="No space left"):
        store.append(_saved())


def test_a_state_directory_has_one_daemon_at_a_time(directory: Path) -> None:
    """The second gets an error."""
    store = Store(directory)
    with pytest.raises(ResolvtraceError, match="another daemon uses") as raised:
        Store(directory)
    assert "--state-dir" in raised.value.remedy
    store.close()
    Store(directory).close()


# What cannot be used.


def test_nothing_saved_is_an_empty_state(store: Store) -> None:
    """The first start."""
    assert store.load(BOOT) == Loaded()


def test_another_boots_state_is_no_state_and_no_problem(store: Store) -> None:
    """Times and pids mean nothing beyond a boot."""
    store.save(BOOT, _saved())
    store.append(_saved())
    assert store.load(OTHER_BOOT) == Loaded()


def test_a_file_cut_anywhere_is_kept_aside_and_said_so(directory: Path, store: Store) -> None:
    """A file system may lose the end of it."""
    store.save(BOOT, _saved())
    file = directory / "state.json"
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        loaded = store.load(BOOT)
        assert loaded.saved == Saved()
        assert loaded.problem
        assert str(directory / "state.unusable") in loaded.problem
        assert (directory / "state.unusable").read_bytes() == whole[:length]
        assert not file.exists()


def test_a_view_without_a_generation_is_kept_aside_and_said_so(store: Store) -> None:
    """There is always one."""
    saved = _saved()
    saved.views["host"] = SavedView("/etc/resolv.conf", DIRECTORY, History((), 1))
    store.save(BOOT, saved)
    loaded = store.load(BOOT)
    assert loaded.saved == Saved()
    assert loaded.problem
    assert "without a generation" in loaded.problem


def test_an_unknown_schema_is_kept_aside_and_said_so(directory: Path, store: Store) -> None:
    """A newer release was here."""
    store.save(BOOT, _saved())
    file = directory / "state.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "schema": "resolvtrace-state/99"}))
    loaded = store.load(BOOT)
    assert loaded.saved == Saved()
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
def test_any_other_text_is_kept_aside_and_said_so(directory: Path, store: Store, text: str) -> None:
    """Whatever it is, the daemon starts."""
    (directory / "state.json").write_text(text)
    loaded = store.load(BOOT)
    assert loaded.saved == Saved()
    assert loaded.problem


def _parts(whole: Any) -> Iterator[tuple[Any, Any]]:
    """Give every container in a JSON value with each of its keys."""
    keys = list(whole) if isinstance(whole, dict) else list(range(len(whole)) if isinstance(whole, list) else [])
    for key in keys:
        yield whole, key
        yield from _parts(whole[key])


def test_a_part_of_another_shape_is_kept_aside_and_said_so(directory: Path, store: Store) -> None:
    """Any one value lost or of another kind: used or put aside, and the daemon never exits."""
    store.save(BOOT, _saved())
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


def test_the_directory_is_for_root_alone(directory: Path, store: Store) -> None:
    """Who queries which nameserver is nobody else's affair."""
    store.save(BOOT, _saved())
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "state.json").stat().st_mode & 0o777 == 0o600


def test_a_directory_that_cannot_be_made_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    """A file stands in its place."""
    (tmp_path / "file").touch()
    with pytest.raises(ResolvtraceError, match="cannot be used") as raised:
        Store(tmp_path / "file" / "state")
    assert "--state-dir" in raised.value.remedy


@pytest.mark.parametrize("fails", ["open", "replace"])
def test_a_save_that_fails_leaves_the_previous_state(
    directory: Path, store: Store, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """The disk is full, or mounted read-only: what was saved is still there, and no half of a file beside it."""
    store.save(BOOT, _saved())

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    if fails == "replace":
        monkeypatch.setattr(Path, "replace", refuse)
    else:
        monkeypatch.setattr(os, fails, refuse)
    with pytest.raises(OSError, match="No space left"):
        store.save(BOOT, Saved())
    monkeypatch.undo()
    assert {entry.name for entry in directory.iterdir()} == {"state.json", "lock"}
    assert store.load(BOOT).saved == _saved()


def test_an_unusable_file_that_cannot_be_renamed_is_said_so(
    directory: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read-only directory: the daemon starts all the same."""
    (directory / "state.json").write_text("{")

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", refuse)
    loaded = store.load(BOOT)
    assert loaded.problem
    assert "not even renamed (Read-only file system)" in loaded.problem


def test_a_file_that_cannot_be_read_is_kept_aside(directory: Path, store: Store) -> None:
    """A directory of that name."""
    (directory / "state.json").mkdir()
    loaded = store.load(BOOT)
    assert loaded.problem
    assert (directory / "state.unusable").is_dir()
