"""What is waited for is seen: each way in which a file may come to be another, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tracer.observe.root_requests import read_directly
from tracer.observe.roots import watch_paths
from tracer.observe.watched_paths import WatchedPaths


class PathWatch:
    """One watched path, as this process sees it."""

    def __init__(self, path: Path) -> None:
        """Watch it. Raises OSError."""
        self._path = path
        self.paths = WatchedPaths()
        try:
            self.follow_path()
        except OSError:
            self.close()
            raise

    def follow_path(self) -> None:
        """Watch what it leads through now."""
        (watches,) = watch_paths(read_directly, "/proc", self.paths.descriptor, [(os.getpid(), str(self._path))])
        if isinstance(watches, OSError):
            raise watches
        self.paths.watch("it", watches)

    def has_changed(self) -> bool:
        """Take the reports, and say if one is of it."""
        return "it" in self.paths.take().keys

    def close(self) -> None:
        """Watch no more."""
        self.paths.close()


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """Make `etc/resolv.conf`, a link into `run/dhcp`, as many a distribution has it."""
    (tmp_path / "run" / "dhcp").mkdir(parents=True)
    (tmp_path / "run" / "dhcp" / "resolv.conf").write_text("nameserver 192.0.2.1\n")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "resolv.conf").symlink_to("../run/dhcp/resolv.conf")
    return tmp_path / "etc"


@pytest.fixture
def watch(etc: Path) -> Iterator[PathWatch]:
    """Watch it as this process sees it."""
    watch = PathWatch(etc / "resolv.conf")
    assert not watch.has_changed()
    yield watch
    watch.close()


def write(etc: Path) -> None:
    """Write in place."""
    (etc / "resolv.conf").write_text("nameserver 192.0.2.2\n")


def rename(etc: Path) -> None:
    """Put another file in its place."""
    new = etc.parent / "run" / "dhcp" / "new"
    new.write_text("nameserver 192.0.2.2\n")
    new.rename(etc.parent / "run" / "dhcp" / "resolv.conf")


def remove(etc: Path) -> None:
    """Leave the link, which leads nowhere then."""
    (etc.parent / "run" / "dhcp" / "resolv.conf").unlink()


def replace_link(etc: Path) -> None:
    """Let the link lead elsewhere."""
    (etc / "new").symlink_to("/dev/null")
    (etc / "new").rename(etc / "resolv.conf")


def replace_directory(etc: Path) -> None:
    """Let another directory have the name of one that the link leads through."""
    (etc.parent / "run").rename(etc.parent / "former")
    (etc.parent / "run" / "dhcp").mkdir(parents=True)


def write_by_another_name(etc: Path) -> None:
    """Write to the file by a hard link elsewhere, as one does to what is mounted over a container's."""
    (etc.parent / "elsewhere").hardlink_to(etc.parent / "run" / "dhcp" / "resolv.conf")
    (etc.parent / "elsewhere").write_text("nameserver 192.0.2.2\n")


CHANGES = [write, rename, remove, replace_link, replace_directory, write_by_another_name]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_is_seen_once(etc: Path, watch: PathWatch, change: Callable[[Path], None]) -> None:
    """And says so by a descriptor that becomes readable."""
    change(etc)
    assert watch.has_changed()
    watch.follow_path()
    assert not watch.has_changed()


def test_what_else_happens_there_is_no_change(etc: Path, watch: PathWatch) -> None:
    """Directories such as /run have much to do with other files."""
    (etc / "hosts").write_text("127.0.0.1 localhost\n")
    (etc.parent / "run" / "dhcp" / "lease").touch()
    (etc / "hosts").unlink()
    assert not watch.has_changed()


def test_a_file_that_comes_back_is_seen(etc: Path, watch: PathWatch) -> None:
    """Also if the directory was removed with it."""
    remove(etc)
    (etc.parent / "run" / "dhcp").rmdir()
    assert watch.has_changed()
    watch.follow_path()
    (etc.parent / "run" / "dhcp").mkdir()
    assert watch.has_changed()
    watch.follow_path()
    write(etc)
    assert watch.has_changed()


def test_what_the_path_does_not_lead_to_any_more_is_left_alone(etc: Path, watch: PathWatch) -> None:
    """The file that a link led to before."""
    former = etc.parent / "run" / "dhcp" / "resolv.conf"
    (etc / "new").symlink_to("../other.conf")
    (etc.parent / "other.conf").touch()
    (etc / "new").rename(etc / "resolv.conf")
    assert watch.has_changed()
    watch.follow_path()
    former.write_text("nameserver 192.0.2.3\n")
    assert not watch.has_changed()
    write(etc)
    assert watch.has_changed()


@pytest.mark.parametrize(
    "target", ["/proc/net/pnp", "resolv.conf"], ids=["another kind of file system", "a loop of links"]
)
def test_what_cannot_be_waited_for_is_said(etc: Path, target: str) -> None:
    """The kernel's own list on a machine without disks, say; and nothing stays open."""
    (etc / "resolv.conf").unlink()
    (etc / "resolv.conf").symlink_to(target)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match=r"another machine|symbolic links"):
        PathWatch(etc / "resolv.conf")
    assert os.listdir("/proc/self/fd") == before
