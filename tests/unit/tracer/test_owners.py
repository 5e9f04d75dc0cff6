"""Owners and workers: whose resolver state it is, who is flagged, and who inherits."""

from __future__ import annotations

from pathlib import Path

import pytest
from doubles import NEW, OLD, World
from proctree import ProcTree

from tracer.lineage import Lineage
from tracer.procfs import Procfs
from tracer.snapshot import State


def _sendmail() -> World:
    """Return a world where pid 10 has read the file, asked once, and the file has changed since."""
    world = World()
    world.start(10)
    world.read(10)
    world.ask(10)
    world.tick()
    world.change(NEW)
    world.past_grace()
    return world


def test_a_workers_queries_count_for_its_owner() -> None:
    """A job's child asks and is gone: the owner is flagged, and stays flagged between jobs."""
    world = _sendmail()
    for child in (11, 12):
        world.fork(10, child)
        world.ask(child)
        world.end(child)
        world.tick()
    assert world.state(10) is State.STALE
    assert world.queries(10) == (1, 2)
    assert world.process(10).workers_seen == 2
    world.tick(10_000)
    assert world.state(10) is State.STALE


def test_a_worker_shows_its_own_state_and_names_its_owner() -> None:
    """While the owner lives it stands for the worker."""
    world = _sendmail()
    world.fork(10, 11)
    world.ask(11, OLD, 2)
    world.tick()
    assert world.owner(11) == 10
    assert world.process(11).is_worker
    assert world.state(11) is State.STALE
    assert world.queries(11) == (2, 0)


def test_a_worker_that_never_read_has_read_what_its_owner_read() -> None:
    """Last read: the process, or across fork its ancestor."""
    world = _sendmail()
    world.fork(10, 11)
    world.ask(11)
    world.tick()
    assert world.process(11).last_read == world.process(10).last_read


def test_grandchildren_work_for_the_topmost() -> None:
    """Also where the child between them never asked, or is gone."""
    world = _sendmail()
    world.fork(10, 11)
    world.fork(11, 12)
    world.ask(12)
    world.tick()
    assert world.owner(12) == 10
    world.end(11)
    world.ask(12)
    world.tick()
    assert world.owner(12) == 10
    assert world.queries(10) == (1, 2)
    assert world.state(10) is State.STALE


def test_a_worker_that_reads_again_is_on_its_own() -> None:
    """Its queries count for the former owner no longer."""
    world = _sendmail()
    world.fork(10, 11)
    world.ask(11)
    world.tick()
    world.read(11)
    world.ask(11, NEW, 5)
    world.ask(11, OLD, 1)
    world.tick()
    assert world.owner(11) == 11
    assert world.queries(10) == (1, 1)
    assert not world.process(10).workers


def test_what_a_worker_asked_before_it_read_within_the_tick_counts_for_the_owner() -> None:
    """It used the owner's state then."""
    world = _sendmail()
    world.fork(10, 11)
    world.ask(11)
    world.tick()
    world.ask(11, OLD, 3)
    world.read(11)
    world.ask(11, NEW, 2)
    world.tick()
    assert world.queries(10) == (1, 4)
    assert world.state(10) is State.STALE


def test_a_worker_that_execs_is_on_its_own() -> None:
    """Another program has a resolver state of its own."""
    world = _sendmail()
    world.fork(10, 11)
    world.execute(11)
    world.ask(11, OLD, 5)
    world.tick()
    assert world.owner(11) == 11
    assert world.queries(10) == (1, 0)


def test_an_owner_that_reads_again_leaves_its_children_to_themselves() -> None:
    """It follows; they go on with the state that it had."""
    world = _sendmail()
    for child in (11, 12):
        world.fork(10, child)
        world.ask(child)
    world.tick()
    world.read(10)
    world.ask(10, NEW)
    for child in (11, 12):
        world.ask(child, OLD, 2)
    world.tick()
    assert [world.owner(child) for child in (11, 12)] == [11, 12]
    assert [world.state(child) for child in (11, 12)] == [State.STALE, State.STALE]
    assert world.state(10) is State.RETIRED


def test_a_child_of_before_the_reread_keeps_its_own_children() -> None:
    """Each of the owner's children becomes an owner, of its descendants too."""
    world = _sendmail()
    world.fork(10, 11)
    world.fork(11, 12)
    world.ask(12)
    world.tick()
    world.read(10)
    world.ask(12)
    world.tick()
    assert world.owner(12) == 11


def test_a_child_forked_after_the_reread_works_for_the_owner() -> None:
    """It has the state that the owner has now."""
    world = _sendmail()
    world.read(10)
    world.fork(10, 11)
    world.ask(11, NEW)
    world.tick()
    assert world.owner(11) == 10


def test_the_last_read_across_fork_is_that_of_before_the_fork() -> None:
    """A child that first asks after its parent has read again goes by what the parent read before it forked."""
    world = World()
    world.start(10)
    first = world.read(10)
    world.fork(10, 11)
    world.change(NEW)
    world.read(10)
    world.past_grace()
    world.ask(11, OLD, 2)
    world.tick()
    assert world.owner(11) == 11
    assert world.process(11).last_read == first


# When an owner ends.


@pytest.mark.parametrize("how", ["end", "execute"])
def test_each_surviving_child_inherits_when_the_owner_ends(how: str) -> None:
    """Last read, pairs, counts and the flag; exec is an end."""
    world = _sendmail()
    world.ask(10, OLD, 2)
    world.fork(10, 11)
    world.fork(10, 12)
    world.tick()
    read, flagged = world.process(10).last_read, world.process(10).flagged
    assert flagged is not None
    getattr(world, how)(10)
    world.tick()
    for heir in (11, 12):
        assert world.owner(heir) == heir
        assert world.state(heir) is State.STALE
        assert world.process(heir).flagged == flagged
        assert world.process(heir).last_read == read
        assert world.queries(heir) == (3, 0)
    assert not world.kept(10)


def test_sendmail_bd_reads_forks_and_exits() -> None:
    """The daemon that is left goes by what the reader read."""
    world = World()
    world.start(10)
    read = world.read(10)
    world.ask(10, OLD, 2)
    world.fork(10, 11)
    world.end(10)
    world.tick()
    assert world.process(11).last_read == read
    assert world.queries(11) == (2, 0)
    world.change(NEW)
    world.past_grace()
    for job in (20, 21):
        world.fork(11, job)
        world.ask(job)
        world.end(job)
        world.tick()
    assert world.state(11) is State.STALE
    assert world.queries(11) == (2, 2)


def test_heirs_own_their_descendants() -> None:
    """A grandchild works for the heir."""
    world = _sendmail()
    world.fork(10, 11)
    world.fork(11, 12)
    world.ask(12)
    world.tick()
    world.end(10)
    world.tick()
    world.ask(12)
    world.tick()
    assert world.owner(12) == 11
    assert world.state(11) is State.STALE, "one late query counted for the old owner, one for the new"


def test_what_the_heir_asked_as_a_worker_is_not_counted_twice() -> None:
    """Its own queries were in the owner's count of its workers'."""
    world = _sendmail()
    world.fork(10, 11)
    world.fork(10, 12)
    world.ask(11, OLD, 5)
    world.ask(12, OLD, 7)
    world.tick()
    world.end(10)
    world.tick()
    assert world.queries(11) == (1 + 5, 7)
    assert world.queries(12) == (1 + 7, 5)


def test_an_heir_with_grandchildren_inherits_once() -> None:
    """However many of its descendants used the owner's state."""
    world = _sendmail()
    world.fork(10, 11)
    for grandchild, asked in ((12, 2), (13, 4)):
        world.fork(11, grandchild)
        world.ask(grandchild, OLD, asked)
    world.tick()
    world.end(10)
    world.tick()
    assert [world.owner(pid) for pid in (11, 12, 13)] == [11, 11, 11]
    assert world.queries(11) == (1, 6)


def test_heirs_go_on_each_by_itself() -> None:
    """One follows, the other does not."""
    world = _sendmail()
    world.ask(10, OLD, 2)
    world.fork(10, 11)
    world.fork(10, 12)
    world.tick()
    world.end(10)
    world.tick()
    world.read(11)
    world.ask(11, NEW)
    world.tick()
    assert (world.state(11), world.state(12)) == (State.RETIRED, State.STALE)
    assert world.queries(12) == (3, 0)


def test_a_child_that_read_for_itself_inherits_nothing() -> None:
    """It did not use the owner's state."""
    world = _sendmail()
    world.fork(10, 11)
    world.read(11)
    world.ask(11, NEW)
    world.ask(10, OLD, 2)
    world.tick()
    world.end(10)
    world.tick()
    assert world.process(11).worst is State.CURRENT


def test_a_child_that_called_exec_inherits_nothing() -> None:
    """Nor did it."""
    world = _sendmail()
    world.fork(10, 11)
    world.execute(11)
    world.ask(11, NEW)
    world.ask(10, OLD, 2)
    world.tick()
    world.end(10)
    world.tick()
    assert world.process(11).worst is State.CURRENT


def test_an_owner_whose_end_no_record_told_of_is_inherited_all_the_same() -> None:
    """The ring was full."""
    world = _sendmail()
    world.ask(10, OLD, 2)
    world.fork(10, 11)
    world.tick()
    world.end(10, recorded=False)
    world.tick()
    world.tick()
    assert world.state(11) is State.STALE


def test_two_owners_in_a_row_pass_it_on_within_a_tick() -> None:
    """A daemon forks twice, and both that came before end at once: what is left has read what the first read."""
    world = World()
    world.start(10)
    read = world.read(10)
    world.ask(10)
    world.fork(10, 11)
    world.fork(11, 12)
    world.end(10)
    world.end(11)
    world.tick()
    world.ask(12)
    world.tick()
    assert world.process(12).last_read == read


def test_a_grandchild_whose_parent_is_gone_goes_on_with_the_flag() -> None:
    """The owner ends with an heir alive: that it is no direct child any more makes it no healthier."""
    world = _sendmail()
    world.ask(10, OLD, 2)
    world.fork(10, 11)
    world.fork(11, 12)
    world.tick()
    world.end(11)
    world.tick()
    world.end(10)
    world.tick()
    assert world.kept(12)
    assert world.state(12) is State.STALE


def test_an_heir_that_never_asked_is_known_at_once() -> None:
    """It is flagged before it does anything: the frozen state is its own now."""
    world = _sendmail()
    world.ask(10, OLD, 2)
    world.fork(10, 11)
    world.tick()
    assert not world.kept(11)
    world.end(10)
    world.tick()
    assert world.process(11).is_tracked
    assert world.state(11) is State.STALE


def test_children_of_before_the_daemon_inherit_too(tmp_path: Path) -> None:
    """The kernel side did not see that fork; the auxiliary vectors tell."""
    tree = ProcTree(tmp_path)
    tree.add(10, auxv=b"the same")
    tree.add(11, parent=10, auxv=b"the same")
    world = World()
    Lineage(world.map).seed(Procfs(tree.root), {}, world.clock.now)
    world.change(NEW)
    world.past_grace()
    world.ask(10, OLD, 2)
    world.tick()
    assert world.state(10) is State.STALE
    world.end(10)
    world.tick()
    assert world.kept(11)
    assert world.state(11) is State.STALE


def test_an_inheritance_is_not_counted_as_departed_twice() -> None:
    """The owner's queries are booked when it goes; its heir then books its own alone."""
    world = World()
    world.start(10)
    world.read(10)
    world.ask(10, OLD, 5)
    world.fork(10, 11)
    world.tick()
    world.end(10)
    world.tick()
    world.ask(11, OLD, 2)
    world.tick()
    world.end(11)
    world.tick()
    assert sum(use.queries for use in world.ledger.departed.uses.values()) == 7


def test_an_owner_that_never_acted_is_kept_for_its_workers() -> None:
    """A master that only forks: its children ask with the state that it holds."""
    world = World()
    world.start(10)
    world.change(NEW)
    world.past_grace()
    for child in (11, 12):
        world.fork(10, child)
        world.ask(child)
        world.end(child)
        world.tick()
    assert world.state(10) is State.STALE
    assert world.queries(10) == (0, 2)


def test_a_pid_used_again_is_no_owner() -> None:
    """The parent's pid belongs to another process now."""
    world = _sendmail()
    world.fork(10, 11)
    world.end(10, recorded=False)
    world.start(10)
    world.ask(11)
    world.tick()
    assert world.owner(11) == 11
