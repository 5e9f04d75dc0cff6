"""Many paths by one descriptor: a change is reported for the paths it concerns, and none can drown the others."""

from __future__ import annotations

import json
import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracer.observe.root_readers import RootReaders
from tracer.observe.root_requests import read_directly
from tracer.observe.roots import RootReader, watch_paths
from tracer.observe.watched_paths import WatchedPaths


@pytest.fixture
def paths() -> Iterator[WatchedPaths]:
    """Watch nothing so far."""
    paths = WatchedPaths()
    yield paths
    paths.close()


def watch(paths: WatchedPaths, *files: Path, root_reader: RootReader = read_directly) -> None:
    """Watch these files, each by its path."""
    wanted = [(os.getpid(), str(file)) for file in files]
    for file, watches in zip(files, watch_paths(root_reader, "/proc", paths.descriptor, wanted), strict=True):
        assert not isinstance(watches, OSError)
        paths.watch(str(file), watches)


def test_files_of_one_directory_are_distinguished(paths: WatchedPaths, tmp_path: Path) -> None:
    """By the names that happen there, and as long as each is watched."""
    one, other = tmp_path / "one", tmp_path / "other"
    watch(paths, one, other)
    one.touch()
    assert paths.take().keys == {str(one)}
    paths.forget(str(one))
    one.unlink()
    other.touch()
    assert paths.take().keys == {str(other)}
    assert str(one) not in paths


def test_what_nobody_watches_any_more_is_not_reported(paths: WatchedPaths, tmp_path: Path) -> None:
    """The kernel is not asked for it any more."""
    watch(paths, tmp_path / "one")
    paths.forget(str(tmp_path / "one"))
    paths.take()
    (tmp_path / "one").touch()
    assert not select.select([paths.descriptor], [], [], 0)[0]


def test_who_floods_us_is_not_listened_to_any_more(paths: WatchedPaths, tmp_path: Path) -> None:
    """A container may write to its file as often as it likes; the others' changes are reported as before."""
    loud, quiet = tmp_path / "loud" / "resolv.conf", tmp_path / "quiet" / "resolv.conf"
    for file in (loud, quiet):
        file.parent.mkdir()
        file.touch()
    watch(paths, loud, quiet)
    for number in range(1000):
        (loud.parent / str(number)).touch()
    quiet.write_text("nameserver 192.0.2.1\n")
    keys: set[str] = set()
    unwatched: set[str] = set()
    while select.select([paths.descriptor], [], [], 0)[0]:
        touched = paths.take()
        keys |= touched.keys
        unwatched |= touched.unwatched
    assert unwatched == {str(loud)}
    assert keys == {str(loud), str(quiet)}
    (loud.parent / "another").touch()
    assert not select.select([paths.descriptor], [], [], 0)[0]


def test_more_than_the_kernel_keeps_concerns_all(paths: WatchedPaths, tmp_path: Path) -> None:
    """What was lost may have been of any of them (inotify(7), IN_Q_OVERFLOW)."""
    watch(paths, tmp_path / "one")
    most = json.loads(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for number in range(most // 2 + 1):
        (tmp_path / "other").touch()
        (tmp_path / "other").unlink()
        del number
    lost = False
    while select.select([paths.descriptor], [], [], 0)[0]:
        lost |= paths.take().lost
    assert lost


def test_a_root_reader_watches_for_us(paths: WatchedPaths, tmp_path: Path) -> None:
    """It has the same descriptor; the daemon reads the reports."""
    readers = RootReaders((paths.descriptor,))
    try:
        watch(paths, tmp_path / "one", root_reader=readers)
    finally:
        readers.close()
    (tmp_path / "one").touch()
    assert paths.take().keys == {str(tmp_path / "one")}


def test_without_a_descriptor_nothing_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may have 128 of them by default, and others may have taken them (inotify(7), max_user_instances)."""
    monkeypatch.setattr("tracer.observe.watched_paths.LIBC.inotify_init1", lambda _: -1)
    paths = WatchedPaths()
    (refused,) = watch_paths(read_directly, "/proc", paths.descriptor, [(os.getpid(), str(tmp_path))])
    assert isinstance(refused, OSError)
    paths.close()
