"""What the observer makes of records and counts: complete observations, each in its tick."""

from __future__ import annotations

import pytest

from tests.support.doubles import NEW, OLD, a_view, conf
from tests.support.world import World
from tracer.kernel.records import ProcessFlag, RecordKind, Service
from tracer.observation.values import Batch, FileRead, OtherFileOpened, ProcessLeft, QueriesSent, ReadUndone, key_of
from tracer.resolvconf.history import SECOND, first_generation


def _take(world: World, until: int | None = None, *, nscd: bool = False) -> Batch:
    counted, world.counted = world.counted, {}
    return world.observer.take(counted.items(), world.clock.now if until is None else until, (), nscd=nscd)


def test_a_read_tells_the_state_before_and_whether_others_may_have_it() -> None:
    """A sole member that reads again leaves nothing behind."""
    world = World()
    world.start(10)
    before = world.map.entries[10].res_state_id
    world.read(10)
    world.fork(10, 11)
    world.read(10)
    first, second = _take(world).observations
    assert isinstance(first, FileRead)
    assert isinstance(second, FileRead)
    assert (first.res_state_id_before, first.shared, first.view) == (before, False, world.host)
    assert (second.res_state_id_before, second.shared) == (first.subject.res_state_id, True)


def test_whoever_does_something_first_is_met_before_it_may_be_gone() -> None:
    """Identity and view are read as the record comes."""
    world = World()
    world.start(10)
    world.read(10)
    key = key_of(world.subject(10))
    world.exit(10)
    batch = _take(world)
    assert batch.newcomers[key].identity.image is not None
    assert batch.newcomers[key].view is world.host


def test_what_happened_after_the_turn_is_for_the_next_tick() -> None:
    """With who it was."""
    world = World()
    world.start(10)
    turn = world.clock.now
    world.read(10)
    assert not _take(world, turn).observations
    batch = _take(world)
    assert [type(one) for one in batch.observations] == [FileRead]
    assert key_of(world.subject(10)) in batch.newcomers


def test_queries_in_two_states_within_a_tick_are_kept_apart() -> None:
    """What was queried under the old state counts under the old state."""
    world = World()
    world.start(10)
    world.query(10, OLD, 3)
    world.read(10)
    world.query(10, OLD, 2)
    sent = [one for one in _take(world).observations if isinstance(one, QueriesSent)]
    assert sorted(one.queries.number for one in sent) == [2, 3]
    assert len({one.subject.res_state_id for one in sent}) == 2


def test_a_count_taken_back_before_it_was_made_is_made_up_for_in_the_next_tick() -> None:
    """The kernel side takes one off if a datagram goes elsewhere than its socket's peer (bpf/datagrams.c)."""
    world = World()
    world.start(10)
    world.query(10, OLD)
    key, value = next(iter(world.counted.items()))
    world.counted[key] = value._replace(number=-1)
    assert not _take(world).observations
    world.query(10, OLD, 3)
    (sent,) = _take(world).observations
    assert isinstance(sent, QueriesSent)
    assert sent.queries.number == 2


@pytest.mark.parametrize("alive", [True, False])
def test_an_exit_that_is_not_certain_is_checked_when_the_tick_ends(*, alive: bool) -> None:
    """The first thread may exit before the others."""
    world = World()
    world.start(10)
    world.read(10)
    world.machine.alive = {10} if alive else set()
    world.exit(10, certain=False)
    left = [one for one in _take(world).observations if isinstance(one, ProcessLeft)]
    assert bool(left) is not alive


def test_a_process_that_goes_on_with_a_state_that_its_owner_left_is_reported() -> None:
    """Ancestors first; only of a process that is kept or met, and that forked."""
    world = World()
    world.start(10)
    world.read(10)
    world.fork(10, 11)
    world.fork(11, 12)
    world.tick()
    world.exit(10)
    assert [one.key.pid for one in _take(world).relatives] == [11, 12]
    world.start(20)
    world.fork(20, 21)
    world.exit(20)
    assert not _take(world).relatives


def test_a_view_that_was_refreshed_since_is_not_refreshed_for_a_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads come by the thousand, in batches; one refresh after all of them is enough."""
    world = World(OLD)
    monkeypatch.setattr(world.host, "_refreshed", world.clock.now + SECOND)
    world.start(10)
    world.read(10)
    assert not world.machine.refreshed
    world.clock.advance(2)
    world.read(10)
    assert world.machine.refreshed == [world.host]


def test_the_processs_own_file_by_a_name_that_the_kernel_side_did_not_know_is_a_read() -> None:
    """It is given a state of its own then."""
    world = World()
    world.start(10)
    world.machine.files[77] = world.host
    before = world.map.entries[10].res_state_id
    world.read(10, "/run/NetworkManager/resolv.conf", inode=77, known=False)
    (read,) = _take(world).observations
    assert isinstance(read, FileRead)
    assert (read.res_state_id_before, read.view) == (before, world.host)
    assert world.map.entries[10].res_state_id == read.subject.res_state_id > before


def test_another_view_s_file_by_its_name_is_no_read_of_ones_own() -> None:
    """A chroot's copy, seen from outside."""
    world = World()
    world.machine.files[77] = a_view(first_generation(conf(NEW), 1, 1), "7:1:2")
    world.start(10)
    world.read(10, "/var/spool/postfix/etc/resolv.conf", inode=77, known=False)
    world.read(10, "etc/resolv.conf", inode=78, known=False)
    opened, undone = _take(world).observations
    assert isinstance(opened, OtherFileOpened)
    assert opened.path == "/var/spool/postfix/etc/resolv.conf"
    assert isinstance(undone, ReadUndone)


@pytest.mark.parametrize("leaves", ["exits", "has another root by then"])
def test_who_opens_a_relative_path_and_leaves_has_most_likely_read_its_own_file(leaves: str) -> None:
    """In a root directory that nobody else has: which file it was cannot be told any more."""
    world = World()
    world.start(10)
    world.query(10)
    world.fork(10, 11)
    world.machine.by_root[2] = None
    world.move(11, 2)
    with world.late():
        world.read(11, "etc/resolv.conf", inode=78)
        if leaves == "exits":
            world.exit(11)
        else:
            world.move(11, 3)
    assert any(isinstance(one, FileRead) for one in _take(world).observations)


def test_a_file_that_is_not_there_is_unidentified_and_one_that_nobody_shows_is_lost() -> None:
    """The first is no cause for alarm."""
    world = World()
    world.machine.by_root[2] = None
    world.start(10, root=2)
    world.read(10)
    assert (world.lost["view_unreadable"], world.unidentified["no_resolv_conf"]) == (1, 0)
    world.machine.absent = "/var/empty/etc/resolv.conf"
    world.read(10, result=-2)
    assert (world.lost["view_unreadable"], world.unidentified["no_resolv_conf"]) == (1, 1)


def test_a_client_of_nscd_alone_is_met_when_it_turns_out_to_look_names_up() -> None:
    """Users and groups go to nscd too."""
    world = World()
    world.start(10)
    world.try_socket(10, Service.NSCD, answered=True)
    assert not _take(world, nscd=True).newcomers
    world.machine.served_by_nscd = {10}
    assert not _take(world).newcomers, "looked at now and then only"
    assert [key.pid for key in _take(world, nscd=True).newcomers] == [10]


def test_a_birth_that_was_not_seen_is_filled_in() -> None:
    """The record came before the daemon had read /proc."""
    world = World()
    world.start(10)
    record = world._record(10, RecordKind.READ, path="/etc/resolv.conf", result=3)
    unseen = record.subject._replace(birth=0, owner_birth=0, flags=ProcessFlag.READ_ONCE)
    world.observer.record(record._replace(subject=unseen))
    (read,) = _take(world).observations
    assert (read.subject.birth, read.subject.owner_birth) == (world.map.entries[10].birth,) * 2
