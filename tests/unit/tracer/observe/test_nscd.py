"""Which clients of nscd look names up through it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.proctree import ProcTree
from tests.support.world import World
from tracer.kernel.records import Subject
from tracer.observe.maps import maps_hosts_table
from tracer.observe.nscd import NscdClients

_MAPS = (
    "7f0c1a200000-7f0c1a235000 r--s 00000000 08:01 393317  /var/cache/nscd/{}\n"
    "7f0c1a400000-7f0c1a428000 r--p 00000000 08:01 1835049 /usr/lib/x86_64-linux-gnu/libc.so.6\n"
)


def _subject(pid: int) -> Subject:
    world = World()
    world.start(pid)
    return world.subject(pid)


@pytest.mark.parametrize(("table", "asks"), [("hosts", True), ("passwd", False), ("group", False)])
def test_a_clients_memory_shows_what_it_uses_nscd_for(tmp_path: Path, table: str, asks: bool) -> None:
    """Glibc maps the table of what it looks up."""
    tree = ProcTree(tmp_path)
    (tree.add(7) / "maps").write_text(_MAPS.format(table))
    assert maps_hosts_table(tree.root, 7) is asks


def test_a_process_that_has_exited_uses_nscd_for_nothing(tmp_path: Path) -> None:
    """No error."""
    assert not maps_hosts_table(ProcTree(tmp_path).root, 7)


def test_a_client_is_taken_once_and_when_it_turns_out_to_look_names_up() -> None:
    """Until then it may yet."""
    for_names: set[int] = set()
    clients = NscdClients(for_names.__contains__)
    clients.note(_subject(7))
    assert list(clients.take_confirmed()) == []
    for_names.add(7)
    assert [subject.tgid for subject in clients.take_confirmed()] == [7]
    assert list(clients.take_confirmed()) == []


def test_a_client_that_exited_is_forgotten() -> None:
    """Its pid may be another's soon."""
    clients = NscdClients(lambda _: True)
    subject = _subject(7)
    clients.note(subject)
    clients.forget(subject)
    clients.forget(subject)
    assert list(clients.take_confirmed()) == []


def test_a_crowd_of_clients_is_bounded_and_the_oldest_forgotten_first() -> None:
    """Every short-lived `ls -l` looks users up through nscd."""
    clients = NscdClients(lambda _: True)
    for pid in range(1, 2001):
        clients.note(_subject(pid))
    left = [subject.tgid for subject in clients.take_confirmed()]
    assert len(left) <= 256
    assert left[-1] == 2000
