"""Views with real files below a /proc of directories, and a clock that moves on command."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.doubles import NEW, OLD, OTHER, FakeClock
from tests.support.proctree import ProcTree
from tracer.errors import ResolvtraceError
from tracer.observe import rootfs
from tracer.observe.procfs import Procfs
from tracer.observe.root_requests import read_directly
from tracer.observe.roots import Root
from tracer.resolvconf.history import SECOND
from tracer.resolvconf.view import HOST, RESOLV_CONF, View
from tracer.resolvconf.view_table import SavedView, ViewTable

LONG = 2.0
"""Seconds in which anything settles."""


def listing(*nameservers: str) -> str:
    """Return the text of a resolv.conf."""
    return "".join(f"nameserver {address}\n" for address in nameservers)


@dataclass
class Machine:
    """A host with PID 1, whose roots are directories."""

    directory: Path
    clock: FakeClock = field(default_factory=FakeClock)
    numbers: dict[int, int] = field(default_factory=dict)
    known: dict[str, SavedView] = field(default_factory=dict)
    judged_by: set[str] = field(default_factory=set)
    """Views that tracked processes are judged by."""

    def __post_init__(self) -> None:
        self.tree = ProcTree(self.directory)
        self.root("host", listing(OLD))
        self.process(1, "host")
        self._table: ViewTable | None = None

    def root(self, name: str, text: str | None = None) -> Path:
        """Make a root directory, and give the place of its resolv.conf."""
        etc = self.directory / name / "etc"
        etc.mkdir(parents=True, exist_ok=True)
        if text is not None:
            (etc / "resolv.conf").write_text(text)
        return etc / "resolv.conf"

    def process(self, pid: int, root: str, namespace: str = "first") -> None:
        """Let a process run in a root."""
        self.tree.add(pid, root=self.directory / root, namespace=namespace)
        self.numbers[pid] = 100 + pid

    def end(self, pid: int) -> None:
        """Let it exit."""
        os.rename(self.tree.directory / str(pid), self.directory / f"gone-{pid}")
        del self.numbers[pid]

    @property
    def table(self) -> ViewTable:
        """The views, from their first use."""
        if self._table is None:
            self._table = ViewTable(Procfs(self.tree.root), self.clock, self.numbers.get, self.known)
            self._table.in_use = lambda: self.judged_by
        return self._table

    def see(self, pid: int, path: str = RESOLV_CONF) -> View:
        """See a view that is there."""
        view = self.table.see(pid, path)
        assert view is not None
        return view

    @property
    def host(self) -> View:
        """The host's view."""
        return self.table.host

    @property
    def file(self) -> Path:
        """The host's resolv.conf."""
        return self.directory / "host" / "etc" / "resolv.conf"

    def replace(self, *nameservers: str, file: Path | None = None) -> None:
        """Replace a file by rename, as resolvconf does."""
        file = file or self.file
        (file.parent / "new").write_text(listing(*nameservers))
        os.utime(file.parent / "new", (1, 1))  # written before it is renamed, and that shows
        os.replace(file.parent / "new", file)

    def refresh(self, seconds: float = LONG, every: float = 0.1, *, age: float = 0) -> list[str]:
        """Refresh for some time; gives the names of views that changed, once for each change.

        What a test has just written is as many seconds old as ``age`` says, by the clock that only a test moves.
        """
        self.clock.offset = time.time_ns() - self.clock.now + int(age * SECOND)
        changed = [view.id for view in self.table.refresh()]
        for _ in range(int(seconds / every)):
            self.clock.advance(every)
            changed += [view.id for view in self.table.refresh()]
        return changed


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a host that lists OLD."""
    return Machine(tmp_path)


def nameservers(view: View) -> tuple[str, ...]:
    """Return what a view lists now."""
    return view.history.current.conf.nameservers


# How files change.


def test_the_hosts_view_is_that_of_pid_1(machine: Machine) -> None:
    """Generation 1, as old as the file."""
    assert machine.host.id == HOST
    assert nameservers(machine.host) == (OLD,)
    assert machine.host.history.current.number == 1
    assert machine.host.history.current.began == pytest.approx(machine.clock.now, abs=5 * SECOND)


def test_without_a_view_of_the_hosts_it_says_what_is_needed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seccomp filter may refuse openat2(2) as if the kernel had none."""

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("tracer.observe.rootfs._openat2", refuse)
    with pytest.raises(ResolvtraceError, match=r"/etc cannot be read: .*openat2\(2\)"):
        _ = machine.table


def test_a_rename_is_a_change_at_once(machine: Machine) -> None:
    """A renamed file is whole."""
    assert machine.host is machine.table.host
    machine.replace(NEW)
    assert machine.refresh(seconds=0) == [HOST]
    assert nameservers(machine.host) == (NEW,)
    assert machine.host.history.removals[OLD].noticed == machine.clock.now


def test_a_file_written_in_place_is_believed_when_it_has_settled(machine: Machine) -> None:
    """It may not be whole yet."""
    assert machine.table
    machine.file.write_text(listing(NEW))
    assert machine.refresh(seconds=0) == []
    assert machine.host.settles_at is not None
    assert machine.refresh() == [HOST]
    assert nameservers(machine.host) == (NEW,)
    assert machine.host.settles_at is None


def test_a_change_is_noticed_when_it_is_believed_and_began_when_it_was_written(machine: Machine) -> None:
    """Judgement begins with the one, reads are placed by the other."""
    assert machine.table
    machine.refresh(seconds=1)
    machine.file.write_text(listing(NEW))
    written = machine.clock.now
    machine.refresh(seconds=1)
    current = machine.host.history.current
    assert current.began <= written < current.noticed <= written + SECOND


def test_an_empty_moment_is_no_generation(machine: Machine) -> None:
    """Dhclient truncates, and writes a little later."""
    assert machine.table
    machine.file.write_text("")
    assert machine.refresh(seconds=0.3) == []
    machine.file.write_text(listing(NEW))
    assert machine.refresh() == [HOST]
    assert [one.conf.nameservers for one in machine.host.history.generations] == [(OLD,), (NEW,)]


def test_an_empty_moment_before_the_same_list_is_nothing_at_all(machine: Machine) -> None:
    """A lease renewed: the same file once more."""
    assert machine.table
    machine.file.write_text("")
    machine.refresh(seconds=0.3)
    machine.file.write_text(listing(OLD))
    assert machine.refresh() == []
    assert machine.host.history.current.number == 1
    assert machine.host.changes == 0


def test_a_file_that_stays_empty_lists_the_local_host(machine: Machine) -> None:
    """Glibc queries 127.0.0.1, Go ::1 too."""
    assert machine.table
    machine.file.write_text("")
    assert machine.refresh() == [HOST]
    conf = machine.host.history.current.conf
    assert (conf.nameservers, conf.implicit) == (("127.0.0.1",), True)
    assert conf.listed == {"127.0.0.1", "::1"}


def test_a_file_written_line_by_line_is_one_change(machine: Machine) -> None:
    """Half a file settles for nobody."""
    assert machine.table
    machine.file.write_text("")
    for address in (NEW, OTHER, OLD):
        with machine.file.open("a") as file:
            file.write(f"nameserver {address}\n")
        machine.refresh(seconds=0.1)
    assert machine.refresh() == [HOST]
    assert machine.host.history.current.number == 2
    assert nameservers(machine.host) == (NEW, OTHER, OLD)
    assert not machine.host.history.removals


def test_a_deleted_file_lists_the_local_host(machine: Machine) -> None:
    """After as long as an empty one takes: it may be about to be made again."""
    assert machine.table
    machine.file.unlink()
    assert machine.refresh(seconds=0.3) == []
    assert machine.refresh() == [HOST]
    assert machine.host.history.current.conf.implicit


def test_a_file_that_is_deleted_and_made_again_is_one_change(machine: Machine) -> None:
    """rm, then a new one: the moment between is none."""
    assert machine.table
    machine.file.unlink()
    machine.refresh(seconds=0.3)
    machine.replace(NEW)
    assert machine.refresh() == [HOST]
    assert machine.host.history.current.number == 2


def test_a_file_made_again_and_written_line_by_line_is_one_change(machine: Machine) -> None:
    """`rm resolv.conf; { echo ...; echo ...; } > resolv.conf`: a new file is no whole file unless it was renamed."""
    machine.file.write_text(listing(OLD, OTHER))
    assert machine.table
    os.rename(machine.file, machine.file.parent / "kept")  # so that its inode is not used again
    machine.refresh(seconds=0.1)
    machine.file.write_text(listing(OLD))
    machine.refresh(seconds=0)
    with machine.file.open("a") as file:
        file.write(f"nameserver {OTHER}\n")
    machine.refresh()
    assert nameservers(machine.host) == (OLD, OTHER)
    assert machine.host.history.current.number == 1


def test_a_link_that_leads_elsewhere_is_a_change(machine: Machine) -> None:
    """resolv.conf switched from NetworkManager's to systemd-resolved's."""
    run = machine.directory / "host" / "run"
    run.mkdir()
    for name, address in (("one", OLD), ("two", NEW)):
        (run / name).write_text(listing(address))
    machine.file.unlink()
    machine.file.symlink_to("../run/one")
    assert nameservers(machine.host) == (OLD,)
    (machine.file.parent / "link").symlink_to("../run/two")
    os.replace(machine.file.parent / "link", machine.file)
    assert machine.refresh() == [HOST]
    assert nameservers(machine.host) == (NEW,)


def test_a_links_target_that_is_renamed_over_is_a_change(machine: Machine) -> None:
    """The link stays, what it leads to is replaced."""
    run = machine.directory / "host" / "run"
    run.mkdir()
    (run / "one").write_text(listing(OLD))
    machine.file.unlink()
    machine.file.symlink_to("../run/one")
    assert machine.table
    machine.replace(NEW, file=run / "one")
    assert machine.refresh(seconds=0) == [HOST]
    assert nameservers(machine.host) == (NEW,)


def test_a_link_to_an_older_file_began_no_earlier_than_the_last_refresh(machine: Machine) -> None:
    """The target's ctime is from long ago; a read of a minute ago cannot have found it."""
    run = machine.directory / "host" / "run"
    run.mkdir()
    (run / "old").write_text(listing(NEW))
    machine.clock.advance(60)
    machine.refresh(seconds=1)
    before = machine.clock.now
    machine.clock.advance(0.1)
    machine.file.unlink()
    machine.file.symlink_to("../run/old")
    machine.refresh(age=50)
    assert machine.host.history.current.began >= before


def test_touching_the_file_is_no_generation(machine: Machine) -> None:
    """Nor is changing its mode, or what is a comment."""
    assert machine.table
    machine.file.touch()
    machine.file.chmod(0o600)
    assert machine.refresh() == []
    machine.file.write_text("# by hand\n" + listing(OLD))
    assert machine.refresh() == []
    assert machine.host.history.current.number == 1


@pytest.mark.parametrize("make", ["fifo", "directory", "loop", "outside", "noise", "huge"])
def test_whatever_stands_in_its_place_is_read_as_glibc_would(machine: Machine, make: str) -> None:
    """Never a hang; nothing effective is 127.0.0.1."""
    assert machine.table
    machine.file.unlink()
    (machine.directory / "outside").write_text(listing(NEW))
    if make == "fifo":
        os.mkfifo(machine.file)
    elif make == "directory":
        machine.file.mkdir()
    elif make == "loop":
        machine.file.symlink_to("resolv.conf")
    elif make == "outside":
        machine.file.symlink_to("../../outside")
    elif make == "noise":
        machine.file.write_bytes(os.urandom(1 << 16).replace(b"nameserver", b""))
    else:
        os.truncate(os.open(machine.file, os.O_CREAT | os.O_WRONLY), 100 << 20)
    assert machine.refresh() == [HOST]
    assert nameservers(machine.host) == ("127.0.0.1",)
    assert machine.host.history.current.conf.implicit


def test_a_host_whose_file_is_not_there_yet_begins_with_nothing(machine: Machine) -> None:
    """The daemon may be up before the network."""
    machine.file.unlink()
    assert machine.host.history.current.conf.implicit
    machine.replace(OLD)
    assert machine.refresh() == [HOST]
    assert nameservers(machine.host) == (OLD,)


# Who shares a view.


def test_processes_of_other_namespaces_with_the_same_file_share_a_view(machine: Machine) -> None:
    """A unit with PrivateTmp= has a mount namespace of its own and the host's file."""
    machine.process(20, "host", namespace="private")
    assert machine.see(20) is machine.host


def test_a_container_has_a_view_of_its_own(machine: Machine) -> None:
    """Named by namespace, device and inode of its etc."""
    file = machine.root("container", listing(OTHER))
    machine.process(20, "container", namespace="container")
    machine.process(21, "container", namespace="container")
    view = machine.see(20)
    assert view is machine.see(21)
    assert view is not machine.host
    namespace = os.stat(f"{machine.tree.root}/20/ns/mnt").st_ino
    etc = file.parent.stat()
    assert view.id == f"{namespace}:{etc.st_dev}:{etc.st_ino}"
    assert nameservers(view) == (OTHER,)


def test_a_containers_change_is_its_own(machine: Machine) -> None:
    """The host's view stays, and the other way round."""
    file = machine.root("container", listing(OLD))
    machine.process(20, "container", namespace="container")
    view = machine.see(20)
    machine.replace(NEW, file=file)
    assert machine.refresh() == [view.id]
    assert nameservers(machine.host) == (OLD,)
    machine.replace(OTHER)
    assert machine.refresh() == [HOST]
    assert nameservers(view) == (NEW,)


def test_a_view_is_read_through_whoever_is_left(machine: Machine) -> None:
    """The first that saw it has exited."""
    file = machine.root("container", listing(OLD))
    for pid in (20, 21):
        machine.process(pid, "container", namespace="container")
    view = machine.see(20)
    machine.see(21)
    machine.end(20)
    machine.replace(NEW, file=file)
    assert machine.refresh() == [view.id]


def test_who_came_and_went_is_not_kept_for_a_view(machine: Machine) -> None:
    """A million short jobs that each read the file leave nothing."""
    for pid in range(1000, 1200):
        machine.numbers[pid] = machine.numbers[1]
        machine.table.reader.note_anchor(machine.host, pid, machine.numbers[1])
        del machine.numbers[pid]
    assert len(machine.host.anchors) <= 40


def test_a_pid_that_is_used_again_is_no_way_to_read_a_view(machine: Machine) -> None:
    """The new process may have another root."""
    machine.root("container", listing(OLD))
    machine.root("another", listing(NEW))
    machine.process(20, "container", namespace="container")
    view = machine.see(20)
    machine.end(20)
    machine.process(20, "another", namespace="another")
    machine.numbers[20] = 999
    assert machine.refresh() == []
    assert nameservers(view) == (OLD,)


def test_a_process_that_takes_a_copy_of_its_mounts_still_sees_the_view(machine: Machine) -> None:
    """unshare(2): another mount namespace, and the same file in it. A change is noticed, and it keeps its name."""
    file = machine.root("container", listing(OLD))
    machine.process(20, "container", namespace="container")
    view = machine.see(20)
    machine.end(20)
    machine.process(20, "container", namespace="a copy")
    machine.numbers[20] = 777
    machine.replace(NEW, file=file)
    assert machine.refresh() == [view.id]
    assert machine.see(20) is view


def test_a_process_that_is_gone_sees_nothing(machine: Machine) -> None:
    """No error: nothing is known."""
    assert machine.table.see(99) is None
    machine.process(20, "host")
    (machine.tree.directory / "20" / "root").unlink()
    assert machine.table.see(20) is None


def test_a_root_without_etc_is_no_view(machine: Machine) -> None:
    """A scratch container."""
    (machine.directory / "scratch").mkdir()
    machine.process(20, "scratch", namespace="scratch")
    assert machine.table.see(20) is None


def test_a_view_outlives_the_root_that_it_was_read_through(machine: Machine) -> None:
    """HAProxy reads, then chroots; when somebody else comes by, what changed meanwhile is a removal like any other."""
    file = machine.root("container", listing(OLD))
    machine.process(20, "container", namespace="container")
    view = machine.see(20)
    machine.judged_by = {view.id}
    machine.root("jail", listing(OTHER))
    root = machine.tree.directory / "20" / "root"
    root.unlink()
    root.symlink_to(machine.directory / "jail")
    machine.numbers[20] = 777
    assert machine.refresh() == []
    machine.replace(NEW, file=file)
    machine.clock.advance(5)
    machine.process(21, "container", namespace="container")
    assert machine.see(21) is view
    assert nameservers(view) == (NEW,)
    assert OLD in view.history.removals


def test_a_file_that_is_replaced_while_two_processes_are_compared_is_one_view(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers come at the very moment of a change: that is when everybody reads the file again."""
    assert machine.table
    machine.process(20, "host")
    place = rootfs.place
    reads: list[str] = []

    def meanwhile(root: int, path: str) -> rootfs.Place:
        found = place(root, path)
        if not reads:
            reads.append(path)
            machine.replace(NEW)
        return found

    monkeypatch.setattr(rootfs, "place", meanwhile)
    assert machine.see(20) is machine.host


# Bounds and forgetting.


def test_a_process_with_a_root_that_was_seen_is_not_compared_with_every_view(machine: Machine) -> None:
    """Namespaces with a file mounted over one resolv.conf have /etc in common, and each comparison is a read."""
    reads = 0

    def counting(kind: str, proc: str, pid: int, *arguments: object) -> object:
        nonlocal reads
        reads += 1
        return read_directly(kind, proc, pid, *arguments)

    for pid in range(7, 27):
        machine.root(f"root{pid}", listing(OLD))
        machine.process(pid, f"root{pid}", namespace=f"{pid}")
        machine.see(pid)
    etc = machine.see(26).directory
    for view in machine.table.views.values():
        view.directory = etc
    machine.process(30, "root26", namespace="26")
    machine.numbers[30] = machine.numbers[26]
    machine.table.reader._root_reader = counting
    machine.see(30)
    assert reads < 5


def test_many_views_that_change_at_once_are_seen_at_once(machine: Machine) -> None:
    """In batches, each a single request to a root reader, lines and all; and of some only, if those are wanted."""
    files = []
    for pid in range(20, 120):
        files.append(machine.root(f"c{pid}", listing(OLD)))
        machine.process(pid, f"c{pid}", namespace=f"c{pid}")
        machine.see(pid)
    for file in files:
        machine.replace(NEW, file=file)
    machine.replace(NEW)
    some = [machine.host, machine.see(20)]
    machine.clock.offset = time.time_ns() - machine.clock.now
    assert machine.table.refresh(some) == some
    requests: list[str] = []

    def root_reader(kind: str, proc: str, pid: int, *arguments: Any) -> Any:
        requests.append(kind)
        return read_directly(kind, proc, pid, *arguments)

    machine.table.reader._root_reader = root_reader
    assert len(machine.refresh(seconds=0)) == 99
    assert requests == ["changed_files"] * 2
    assert all(nameservers(view) == (NEW,) for view in machine.table.views.values())


def test_views_that_nobody_uses_are_forgotten_beyond_some(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host's is kept."""
    monkeypatch.setattr("tracer.resolvconf.view_table._KEPT_UNUSED", 0)
    for pid, name in ((20, "one"), (21, "two")):
        machine.root(name, listing(OLD))
        machine.process(pid, name, namespace=name)
    one, two = machine.see(20), machine.see(21)
    assert machine.table.reader.of_root(121) is two
    machine.judged_by = {one.id}
    machine.table.forget_unused({101, 120, 121})
    assert set(machine.table.views) == {HOST, one.id}
    assert machine.table.reader.of_root(121) is None
    assert machine.table.reader.of_root(120) is one
    machine.table.forget_unused({101})
    assert machine.table.reader.of_root(120) is None


@pytest.mark.parametrize(("born", "is_same"), [((5, 5), True), ((5, 6), False), ((0, 0), False)])
def test_numbers_that_are_used_again_are_another_view(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, born: tuple[int, int], *, is_same: bool
) -> None:
    """Its last process gone, a container's past goes on in it alone: not in the next that comes to bear its numbers."""
    file = machine.root("container", listing(OLD))
    machine.process(20, "container", namespace="container")
    monkeypatch.setattr(rootfs, "_born", lambda _: born[0])
    before = machine.see(20)
    machine.end(20)
    machine.replace(NEW, file=file)
    machine.process(21, "container", namespace="container")
    monkeypatch.setattr(rootfs, "_born", lambda _: born[1])
    after = machine.see(21)
    assert after.id == before.id
    assert (OLD in after.history.removals) is is_same


# After a restart.


def _restarted(machine: Machine) -> Machine:
    """Return the same machine, seen by a daemon that knows what the former one knew."""
    again = Machine.__new__(Machine)
    again.directory, again.tree, again.numbers = machine.directory, machine.tree, machine.numbers
    again.clock, again.judged_by = machine.clock, set()
    again.known = {
        name: SavedView(view.path, view.directory, view.history) for name, view in machine.table.views.items()
    }
    again._table = None
    return again


def test_a_history_goes_on_after_a_restart(machine: Machine) -> None:
    """Generations, removals and their times are kept."""
    machine.replace(NEW)
    assert machine.table
    machine.replace(OTHER)
    machine.refresh()
    before = machine.host.history
    machine.clock.advance(30)
    again = _restarted(machine)
    assert again.host.history == before


def test_a_change_while_no_daemon_ran_is_a_generation(machine: Machine) -> None:
    """Noticed when the daemon is back."""
    assert machine.table
    machine.clock.advance(30)
    machine.replace(NEW)
    again = _restarted(machine)
    current = again.host.history.current
    assert (current.number, current.noticed) == (2, machine.clock.now)
    assert again.host.history.removals[OLD].noticed == machine.clock.now


def test_a_restart_in_an_empty_moment_makes_no_generation_of_it(machine: Machine) -> None:
    """The writer had truncated and not yet written when the daemon came back."""
    assert machine.table
    machine.file.write_text("")
    again = _restarted(machine)
    assert again.host.history.current.number == 1
    machine.file.write_text(listing(OLD))
    again.refresh()
    assert again.host.history.current.number == 1


def test_a_view_that_only_the_previous_daemon_saw_is_recalled_and_resumed(machine: Machine) -> None:
    """A process is restored before its root directory was read."""
    file = machine.root("container", listing(OLD))
    machine.process(20, "container", namespace="container")
    name = machine.see(20).id
    machine.replace(NEW, file=file)
    again = _restarted(machine)
    recalled = again.table.recall(name)
    assert recalled is not None
    again.judged_by = {name}
    assert nameservers(recalled) == (OLD,)
    assert again.see(20) is recalled
    assert nameservers(recalled) == (NEW,)
    assert OLD in recalled.history.removals


def test_a_view_that_nobody_knows_is_not_recalled(machine: Machine) -> None:
    """Its state was not saved."""
    assert machine.table.recall("1:2:3") is None
    assert machine.table.recall(HOST) is machine.host


def test_a_view_whose_namespace_was_not_known_does_not_stop_the_next_daemon(machine: Machine) -> None:
    """The process was gone between its root and its namespace; the view's name says so, and is saved."""
    machine.root("container", listing(OLD))
    machine.process(20, "container", namespace="container")
    (machine.tree.directory / "20" / "ns" / "mnt").unlink()
    view = machine.table.see(20)
    if view is not None:
        _restarted(machine).table.recall(view.id)


def test_a_forwarders_own_file_is_still_that_file_after_a_restart(machine: Machine) -> None:
    """systemd-resolved's upstreams must not turn into /etc/resolv.conf's stub."""
    own = machine.directory / "host" / "run" / "systemd" / "resolve"
    own.mkdir(parents=True)
    path = "/run/systemd/resolve/resolv.conf"
    (own / "resolv.conf").write_text(listing(OTHER))
    machine.process(20, "host")
    name = machine.see(20, path).id
    again = _restarted(machine)
    assert again.table.recall(name) is not None
    again.judged_by = {name}
    view = again.see(20, path)
    again.refresh()
    assert view.path == path
    assert nameservers(view) == (OTHER,)
    assert view.history.current.number == 1


def test_without_pid_1_the_hosts_view_is_ours(machine: Machine) -> None:
    """In a container, or where PID 1 may not be read."""
    machine.process(50, "host")
    (machine.tree.directory / "1" / "root").unlink()
    (machine.tree.directory / "self").symlink_to("50")
    assert machine.table.reader._host_pid == 50
    assert nameservers(machine.host) == (OLD,)


def test_a_large_file_that_changes_all_the_time_is_not_read_all_the_time(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading it takes a twentieth of the time at most; a small one that takes its place is read at once."""
    assert machine.table
    read = Root.lines_that_matter
    reads: list[int] = []

    def slowly(root: Root, path: str) -> bytes:
        reads.append(machine.clock.now)
        machine.clock.advance(0.1)
        return read(root, path)

    monkeypatch.setattr(Root, "lines_that_matter", slowly)
    for _ in range(40):
        machine.file.write_text("# nothing\n" * 200_000)
        machine.refresh(seconds=0.1)
    assert 2 <= len(reads) <= 5
    machine.replace(NEW)
    assert machine.refresh() == [HOST]
    assert nameservers(machine.host) == (NEW,)


def test_a_view_that_does_not_answer_stays_as_it_was_and_is_counted(machine: Machine) -> None:
    """Once each time that it falls silent; another process that sees the same file is used all the same."""
    machine.root("container", listing(OLD))
    for pid in (20, 21):
        machine.process(pid, "container", namespace="second")
    silent: set[int] = set()

    def unless_silent(kind: str, proc: str, pid: int, *arguments: Any) -> Any:
        if silent & {pid, *(one[0] for one in arguments if isinstance(one, tuple))}:
            raise TimeoutError
        return read_directly(kind, proc, pid, *arguments)

    machine.table.reader._root_reader = unless_silent
    view = machine.see(20)
    silent.add(20)
    for _ in range(5):
        machine.refresh()
    assert (nameservers(view), machine.table.reader.unreadable) == ((OLD,), 1)
    silent.clear()
    assert machine.see(21) is view
    machine.refresh()
    silent.add(20)
    (machine.directory / "container" / "etc" / "resolv.conf").write_text(listing(NEW))
    machine.refresh()
    assert (nameservers(view), machine.table.reader.unreadable) == ((NEW,), 1), "another process showed it"
    silent.add(21)
    machine.refresh()
    assert (nameservers(view), machine.table.reader.unreadable) == ((NEW,), 2)


def test_many_containers_with_a_file_of_their_own_are_not_compared_with_each_other(tmp_path: Path) -> None:
    """One /etc, and a file mounted over resolv.conf for each: what a new one costs does not grow with their number."""
    machine = Machine(tmp_path)
    asked: list[str] = []

    def root_reader(kind: str, proc: str, pid: int, *arguments: Any) -> Any:
        """Read as usual, but for what is mounted, which needs a mount namespace."""
        asked.append(kind)
        seen = read_directly(kind, proc, pid, *arguments)
        own = rootfs.Identity(7, pid)
        if kind == "place":
            return seen._replace(mounted=own, file=own)
        return seen._replace(place=seen.place._replace(mounted=own, file=own)) if kind == "file_status" else seen

    table = ViewTable(Procfs(machine.tree.root), machine.clock, machine.numbers.get, {}, root_reader=root_reader)
    reads = []
    for pid in range(10, 40):
        machine.process(pid, "host", namespace=f"container {pid}")
        asked.clear()
        view = table.see(pid)
        assert view is not None
        reads.append(len(asked))
        assert table.see(pid) is view
    assert len(table.views) == 1 + len(reads)
    assert reads[-1] == reads[0]


# An anchor that comes to see another file.


def _mounted(machine: Machine, over: dict[int, int]) -> None:
    """Let processes have a file of their own mounted over resolv.conf, by pid: its inode."""

    def place_of(pid: int, place: rootfs.Place) -> rootfs.Place:
        own = rootfs.Identity(7, over[pid]) if pid in over else place.mounted
        return place._replace(mounted=own)

    def root_reader(kind: str, proc: str, pid: int, *arguments: Any) -> Any:
        seen = read_directly(kind, proc, pid, *arguments)
        if kind == "place":
            return place_of(pid, seen)
        if kind == "file_status":
            return seen._replace(place=place_of(pid, seen.place))
        if kind == "changed_files":
            return [
                one._replace(place=place_of(wanted[0], one.place)) for wanted, one in zip(arguments, seen, strict=True)
            ]
        return seen

    machine.table.reader._root_reader = root_reader


def test_an_anchor_that_mounts_a_file_over_its_own_is_no_anchor_any_more(machine: Machine) -> None:
    """It has a view of its own from then on, and says nothing about that of the others."""
    machine.root("container", listing(OLD))
    for pid in (20, 21):
        machine.process(pid, "container", namespace="second")
    view = machine.see(20)
    assert machine.see(21) is view
    before = view.history
    _mounted(machine, {20: 99})
    assert machine.refresh() == []
    assert view.history == before
    assert 20 not in view.anchors
    other = machine.see(20)
    assert other is not view
    assert other.id != view.id
    assert machine.see(21) is view


def test_a_file_that_is_mounted_over_that_of_the_last_anchor_is_the_views(machine: Machine) -> None:
    """Nobody is left who sees what was there before: it is the view itself that has changed."""
    file = machine.root("container", listing(OLD))
    machine.process(20, "container", namespace="second")
    view = machine.see(20)
    _mounted(machine, {20: 99})
    machine.replace(NEW, file=file)
    assert machine.refresh() == [view.id]
    assert nameservers(view) == (NEW,)
    assert machine.see(20) is view


def test_a_file_that_is_mounted_over_is_the_views_though_others_saw_it_who_have_exited(machine: Machine) -> None:
    """Who has exited sees nothing any more, also if the view was not refreshed since."""
    file = machine.root("container", listing(OLD))
    for pid in (20, 21):
        machine.process(pid, "container", namespace="second")
    view = machine.see(20)
    assert machine.see(21) is view
    machine.end(21)
    _mounted(machine, {20: 99})
    machine.replace(NEW, file=file)
    assert machine.refresh() == [view.id]
    assert nameservers(view) == (NEW,)


def test_a_file_that_is_mounted_over_the_hosts_is_the_hosts(machine: Machine) -> None:
    """What PID 1 sees is the host's view, whatever others see."""
    machine.process(20, "host")
    assert machine.see(20) is machine.host
    machine.root("mounted", listing(NEW))
    machine.process(1001, "mounted")
    (machine.tree.directory / "1" / "root").unlink()
    (machine.tree.directory / "1" / "root").symlink_to(machine.directory / "mounted")
    assert machine.refresh() == [HOST]
    assert nameservers(machine.host) == (NEW,)
    assert machine.see(20) is not machine.host


def test_a_name_that_a_living_view_bears_is_not_used_again(machine: Machine) -> None:
    """Namespace, device and inode are the same, and the file is another: each has its own past."""
    machine.root("container", listing(OLD))
    for pid in (20, 21):
        machine.process(pid, "container", namespace="second")
    _mounted(machine, {20: 98, 21: 99})
    one, other = machine.see(20), machine.see(21)
    assert one is not other
    namespace, device, inode = one.id.split(":")
    assert other.id == f"{namespace}:{device}:0{inode}"
    assert set(machine.table.views) == {HOST, one.id, other.id}


# Many at once.


def test_one_of_a_batch_that_does_not_answer_keeps_the_others_from_nothing(machine: Machine) -> None:
    """The batch fails as one, and each is refreshed by itself then."""
    files = {}
    for pid in range(20, 30):
        files[pid] = machine.root(f"c{pid}", listing(OLD))
        machine.process(pid, f"c{pid}", namespace=f"c{pid}")
    views = {pid: machine.see(pid) for pid in files}

    def root_reader(kind: str, proc: str, pid: int, *arguments: Any) -> Any:
        if 20 in {pid, *(one[0] for one in arguments if isinstance(one, tuple))}:
            raise TimeoutError
        return read_directly(kind, proc, pid, *arguments)

    machine.table.reader._root_reader = root_reader
    for file in files.values():
        machine.replace(NEW, file=file)
    assert sorted(machine.refresh()) == sorted(view.id for pid, view in views.items() if pid != 20)
    assert nameservers(views[20]) == (OLD,)
    assert machine.table.reader.unreadable == 1


def test_a_file_that_cannot_be_read_now_is_read_later_and_loses_no_anchor(machine: Machine) -> None:
    """For lack of memory, or of a free root reader: that says nothing of the process."""
    file = machine.root("container", listing(OLD))
    machine.process(20, "container", namespace="second")
    view = machine.see(20)
    busy = True

    def root_reader(kind: str, proc: str, pid: int, *arguments: Any) -> Any:
        if busy:
            if kind == "changed_files":
                return [BlockingIOError() for _ in arguments]
            raise BlockingIOError
        return read_directly(kind, proc, pid, *arguments)

    machine.table.reader._root_reader = root_reader
    machine.replace(NEW, file=file)
    assert machine.refresh() == []
    busy = False
    assert machine.refresh() == [view.id]
    assert machine.table.reader.unreadable == 0
