"""Owners and workers: whose resolver state it is, who is flagged, and who inherits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.doubles import GETIP, NEW, OLD
from tests.support.proctree import ProcTree
from tests.support.world import World
from tracer.kernel.records import ancestor
from tracer.ledger.process import Process, ProcessId
from tracer.ledger.process_table import ProcessTable
from tracer.ledger.resolver_state import ResolverState
from tracer.lookups import Transport
from tracer.observation.lineage import NOTHING_SAVED, Lineage
from tracer.observe.procfs import Procfs
from tracer.resolvconf.history import SECOND
from tracer.verdict.states import State


def _sendmail() -> World:
    """Return a world in which pid 10 has read the file, queried once, and the file has changed since."""
    world = World()
    world.start(10)
    world.read(10)
    world.query(10)
    world.tick()
    world.change(NEW)
    world.past_grace()
    return world


def test_a_workers_queries_count_for_its_owner() -> None:
    """A job's child queries and exits: the owner is flagged, and stays flagged between jobs."""
    world = _sendmail()
    for child in (11, 12):
        world.fork(10, child)
        world.query(child)
        world.exit(child)
        world.tick()
    assert world.state(10) is State.STALE
    assert world.queries(10) == (1, 2)
    assert world.process(10).workers_seen == 2
    world.tick(10_000)
    assert world.state(10) is State.STALE


def test_children_that_leave_their_parents_state_in_one_tick_are_not_compared_with_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A storm of jobs that fork, read, query and live on: a tick costs in proportion to them."""
    children = range(100, 400)
    compared = 0
    is_named = Process.is_named

    def counting(process: Process, ancestor: int) -> bool:
        nonlocal compared
        compared += 1
        return is_named(process, ancestor)

    monkeypatch.setattr(Process, "is_named", counting)
    world = _sendmail()
    for child in children:
        world.fork(10, child)
        world.fork(child, child + 1000)
        world.query(child)
        world.read(child)
    world.tick()
    assert all(world.owner(child) == child for child in children)
    assert compared < 10 * len(children)


def test_a_worker_shows_its_own_state_and_names_its_owner() -> None:
    """While the owner lives it stands for the worker."""
    world = _sendmail()
    world.fork(10, 11)
    world.query(11, OLD, 2)
    world.tick()
    assert world.owner(11) == 10
    assert world.process(11).is_worker
    assert world.state(11) is State.STALE
    assert world.queries(11) == (2, 0)


def test_a_worker_that_never_read_has_read_what_its_owner_read() -> None:
    """Last read: the process, or across fork its ancestor."""
    world = _sendmail()
    world.fork(10, 11)
    world.query(11)
    world.tick()
    assert world.process(11).last_read == world.process(10).last_read


def test_grandchildren_work_for_the_topmost() -> None:
    """Also if the child between them never queried, or has exited."""
    world = _sendmail()
    world.fork(10, 11)
    world.fork(11, 12)
    world.query(12)
    world.tick()
    assert world.owner(12) == 10
    world.exit(11)
    world.query(12)
    world.tick()
    assert world.owner(12) == 10
    assert world.queries(10) == (1, 2)
    assert world.state(10) is State.STALE


def test_a_worker_that_reads_again_is_on_its_own() -> None:
    """Its queries no longer count for the previous owner."""
    world = _sendmail()
    world.fork(10, 11)
    world.query(11)
    world.tick()
    world.read(11)
    world.query(11, NEW, 5)
    world.query(11, OLD, 1)
    world.tick()
    assert world.owner(11) == 11
    assert world.queries(10) == (1, 1)
    assert not [one for one in world.process(10).res_state.members if one.pid == 11]


def test_what_a_worker_queried_before_it_read_within_the_tick_counts_for_the_owner() -> None:
    """It used the owner's state then."""
    world = _sendmail()
    world.fork(10, 11)
    world.query(11)
    world.tick()
    world.query(11, OLD, 3)
    world.read(11)
    world.query(11, NEW, 2)
    world.tick()
    assert world.queries(10) == (1, 4)
    assert world.state(10) is State.STALE


def test_a_worker_that_execs_is_on_its_own() -> None:
    """Another program has a resolver state of its own."""
    world = _sendmail()
    world.fork(10, 11)
    world.execute(11)
    world.query(11, OLD, 5)
    world.tick()
    assert world.owner(11) == 11
    assert world.queries(10) == (1, 0)


def test_an_owner_that_reads_again_leaves_its_children_to_themselves() -> None:
    """It follows; they go on with the state that it had."""
    world = _sendmail()
    for child in (11, 12):
        world.fork(10, child)
        world.query(child)
    world.tick()
    world.read(10)
    world.query(10, NEW)
    for child in (11, 12):
        world.query(child, OLD, 2)
    world.tick()
    assert [world.owner(child) for child in (11, 12)] == [11, 12]
    assert [world.state(child) for child in (11, 12)] == [State.STALE, State.STALE]
    assert world.state(10) is State.RETIRED


def test_a_child_of_before_the_reread_keeps_its_own_children() -> None:
    """Each of the owner's children becomes an owner, of its descendants too."""
    world = _sendmail()
    world.fork(10, 11)
    world.fork(11, 12)
    world.query(12)
    world.tick()
    world.read(10)
    world.query(12)
    world.tick()
    assert world.owner(12) == 11


def test_a_child_forked_after_the_reread_works_for_the_owner() -> None:
    """It has the state that the owner has now."""
    world = _sendmail()
    world.read(10)
    world.fork(10, 11)
    world.query(11, NEW)
    world.tick()
    assert world.owner(11) == 10


def test_the_last_read_across_fork_is_that_of_before_the_fork() -> None:
    """A child that first queries after its parent re-read the file goes by what the parent read before the fork."""
    world = World()
    world.start(10)
    first = world.read(10)
    world.fork(10, 11)
    world.tick()
    world.change(NEW)
    world.read(10)
    world.past_grace()
    world.query(11, OLD, 2)
    world.tick()
    assert world.owner(11) == 11
    assert world.process(11).last_read == (first, 1)


# When an owner exits.


@pytest.mark.parametrize("how", ["exit", "execute"])
def test_each_surviving_child_inherits_when_the_owner_exits(how: str) -> None:
    """Last read, pairs, counts and the flag; exec is an exit."""
    world = _sendmail()
    world.query(10, OLD, 2)
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
    world.query(10, OLD, 2)
    world.fork(10, 11)
    world.exit(10)
    world.tick()
    assert world.process(11).last_read == (read, 1)
    assert world.queries(11) == (2, 0)
    world.change(NEW)
    world.past_grace()
    for job in (20, 21):
        world.fork(11, job)
        world.query(job)
        world.exit(job)
        world.tick()
    assert world.state(11) is State.STALE
    assert world.queries(11) == (2, 2)


def test_heirs_own_their_descendants() -> None:
    """A grandchild works for the heir."""
    world = _sendmail()
    world.fork(10, 11)
    world.fork(11, 12)
    world.query(12)
    world.tick()
    world.exit(10)
    world.tick()
    world.query(12)
    world.tick()
    assert world.owner(12) == 11
    assert world.state(11) is State.STALE, "one late query counted for the old owner, one for the new"


def test_what_the_heir_queried_as_a_worker_is_not_counted_twice() -> None:
    """Its own queries were in the owner's count of its workers'."""
    world = _sendmail()
    world.fork(10, 11)
    world.fork(10, 12)
    world.query(11, OLD, 5)
    world.query(12, OLD, 7)
    world.tick()
    world.exit(10)
    world.tick()
    assert world.queries(11) == (1 + 5, 7)
    assert world.queries(12) == (1 + 7, 5)


def test_an_heir_with_grandchildren_inherits_once() -> None:
    """However many of its descendants used the owner's state."""
    world = _sendmail()
    world.fork(10, 11)
    for grandchild, asked in ((12, 2), (13, 4)):
        world.fork(11, grandchild)
        world.query(grandchild, OLD, asked)
    world.tick()
    world.exit(10)
    world.tick()
    assert [world.owner(pid) for pid in (11, 12, 13)] == [11, 11, 11]
    assert world.queries(11) == (1, 6)


def test_an_heir_keeps_what_it_sent_for_an_owner_before_this_one() -> None:
    """Over a transport that this one never used, and the flag that it raised."""
    world = _sendmail()
    world.fork(10, 11)
    world.fork(11, 12)
    world.query(11)
    world.query(12, OLD, 2, transport=Transport.TCP)
    world.tick()
    flagged = world.process(12).flagged
    assert flagged is not None
    world.read(10)
    world.tick()
    assert world.state(11) is not State.STALE
    world.exit(11)
    world.tick()
    assert world.queries(12) == (1 + 2, 0)
    assert world.process(12).flagged == flagged


@pytest.mark.parametrize("at_once", [False, True])
def test_who_begins_to_query_owns_its_silent_children(at_once: bool) -> None:
    """Whether their owner before it left in the same tick or in one before: they inherit when it exits."""
    world = World()
    world.start(10)
    world.fork(10, 11)
    world.fork(11, 12)
    world.read(10)
    if not at_once:
        world.tick()
    world.query(11, OLD, 2)
    world.exit(11)
    world.tick()
    assert world.queries(12) == (2, 0)


@pytest.mark.parametrize("leaves", ["exit", "execute"])
def test_a_silent_heir_that_leaves_bequeaths_at_once(leaves: str) -> None:
    """Though nothing that it did was ever reported: it is nobody's row any more, and its own heir goes on."""
    world = _sendmail()
    world.fork(10, 11)
    world.fork(11, 12)
    world.exit(10)
    world.tick()
    assert world.queries(11) == (1, 0)
    getattr(world, leaves)(11)
    world.read(12)
    world.query(12, NEW)
    world.tick()
    assert world.queries(12) == (1, 0)
    assert not any(process.pid == 11 and process.pairs for process in world.ledger.tracked)


def test_heirs_go_on_each_by_itself() -> None:
    """One follows, the other does not."""
    world = _sendmail()
    world.query(10, OLD, 2)
    world.fork(10, 11)
    world.fork(10, 12)
    world.tick()
    world.exit(10)
    world.tick()
    world.read(11)
    world.query(11, NEW)
    world.tick()
    assert (world.state(11), world.state(12)) == (State.RETIRED, State.STALE)
    assert world.queries(12) == (3, 0)


def test_a_child_that_read_for_itself_inherits_nothing() -> None:
    """It did not use the owner's state."""
    world = _sendmail()
    world.fork(10, 11)
    world.read(11)
    world.query(11, NEW)
    world.query(10, OLD, 2)
    world.tick()
    world.exit(10)
    world.tick()
    assert world.process(11).worst is State.CURRENT


def test_a_child_that_called_exec_inherits_nothing() -> None:
    """Nor did it."""
    world = _sendmail()
    world.fork(10, 11)
    world.execute(11)
    world.query(11, NEW)
    world.query(10, OLD, 2)
    world.tick()
    world.exit(10)
    world.tick()
    assert world.process(11).worst is State.CURRENT


def test_an_owner_whose_exit_no_record_reported_is_inherited_all_the_same() -> None:
    """The ring was full."""
    world = _sendmail()
    world.query(10, OLD, 2)
    world.fork(10, 11)
    world.tick()
    world.exit(10, recorded=False)
    world.tick()
    world.tick()
    assert world.state(11) is State.STALE


def test_two_owners_in_a_row_pass_it_on_within_a_tick() -> None:
    """A daemon forks twice, and both that came before exit at once: what is left has read what the first read."""
    world = World()
    world.start(10)
    read = world.read(10)
    world.query(10)
    world.fork(10, 11)
    world.fork(11, 12)
    world.exit(10)
    world.exit(11)
    world.tick()
    world.query(12)
    world.tick()
    assert world.process(12).last_read == (read, 1)


def test_a_grandchild_whose_parent_is_gone_goes_on_with_the_flag() -> None:
    """The owner exits with an heir alive: that it is no direct child any more makes it no healthier."""
    world = _sendmail()
    world.query(10, OLD, 2)
    world.fork(10, 11)
    world.fork(11, 12)
    world.tick()
    world.exit(11)
    world.tick()
    world.exit(10)
    world.tick()
    assert world.kept(12)
    assert world.state(12) is State.STALE


def test_an_heir_that_never_queried_is_known_at_once() -> None:
    """It is flagged before it does anything: the frozen state is its own now."""
    world = _sendmail()
    world.query(10, OLD, 2)
    world.fork(10, 11)
    world.tick()
    assert not world.kept(11)
    world.exit(10)
    world.tick()
    assert world.process(11).is_tracked
    assert world.state(11) is State.STALE


def test_children_of_before_the_daemon_inherit_too(tmp_path: Path) -> None:
    """The kernel side did not see that fork; the auxiliary vectors tell."""
    tree = ProcTree(tmp_path)
    tree.add(10, auxv=b"the same")
    tree.add(11, parent=10, auxv=b"the same")
    world = World()
    Lineage(world.map).seed(Procfs(tree.root), NOTHING_SAVED, world.clock.now)
    world.change(NEW)
    world.past_grace()
    world.query(10, OLD, 2)
    world.tick()
    assert world.state(10) is State.STALE
    world.exit(10)
    world.tick()
    assert world.kept(11)
    assert world.state(11) is State.STALE


def test_an_inheritance_is_no_past_use_twice() -> None:
    """The owner's queries are kept when it exits; of its heir later only its own."""
    world = World()
    world.start(10)
    world.read(10)
    world.query(10, OLD, 5)
    world.fork(10, 11)
    world.tick()
    world.exit(10)
    world.tick()
    world.query(11, OLD, 2)
    world.tick()
    world.exit(11)
    for _ in range(2):
        world.tick()
    assert world.past_queries() == [7]


def test_an_owner_that_never_acted_is_kept_for_its_workers() -> None:
    """A master that only forks: its children query with the state that it holds."""
    world = World()
    world.start(10)
    world.change(NEW)
    world.past_grace()
    for child in (11, 12):
        world.fork(10, child)
        world.query(child)
        world.exit(child)
        world.tick()
    assert world.state(10) is State.STALE
    assert world.queries(10) == (0, 2)


def test_a_pid_used_again_is_no_owner() -> None:
    """The parent's pid belongs to another process now."""
    world = _sendmail()
    world.fork(10, 11)
    world.exit(10, recorded=False)
    world.start(10)
    world.query(11)
    world.tick()
    assert world.owner(11) == 11


# The table itself.


def _kept(table: ProcessTable, pid: int, state: ResolverState, parent: Process | None = None) -> Process:
    """Keep a process, forked by another or by nobody."""
    process = Process(ProcessId(pid, pid * SECOND, 0), GETIP, state, 1, None)
    if parent is not None:
        process.parent = (parent.pid, parent.id.birth)
        process.line = (*parent.line, ancestor(parent.pid, parent.id.birth))
    table.add(process)
    return process


def test_the_owner_is_the_topmost_living_one_of_the_line_with_the_same_state() -> None:
    """Whether those between are kept or not."""
    table, state = ProcessTable(), ResolverState(1)
    first = _kept(table, 10, state)
    second = _kept(table, 11, state, first)
    third = _kept(table, 12, state, second)
    assert table.owner_in_line(third.line, state) is first
    first.ended = 1
    assert table.owner_in_line(third.line, state) is second
    table.move(second, ResolverState(2))
    assert table.owner_in_line(third.line, state) is None


def test_a_process_of_the_same_pid_and_another_birth_is_in_no_line() -> None:
    """The pid was used again."""
    table, state = ProcessTable(), ResolverState(1)
    first = _kept(table, 10, state)
    second = _kept(table, 11, state, first)
    table.drop(first)
    table.add(Process(ProcessId(10, 99 * SECOND, 0), GETIP, state, 1, None))
    assert table.owner_in_line(second.line, state) is None
    assert table.at(10, first.id.birth) is None
    assert table.at(10, 99 * SECOND) is not None


def test_the_exit_of_a_process_whose_pid_is_used_again_leaves_the_other_there() -> None:
    """It is dropped by what it was."""
    table, state = ProcessTable(), ResolverState(1)
    first = _kept(table, 10, state)
    other = Process(ProcessId(10, 99 * SECOND, 0), GETIP, state, 1, None)
    table.add(other)
    table.drop(first)
    assert table.at(10, 99 * SECOND) is other
    assert state.members == {other}


def test_parent_and_children_are_related() -> None:
    """Whatever state each has; not grandchildren."""
    table = ProcessTable()
    first = _kept(table, 10, ResolverState(1))
    second = _kept(table, 11, ResolverState(2), first)
    third = _kept(table, 12, ResolverState(3), second)
    assert list(table.related(second)) == [first, third]
    assert list(table.related(first)) == [second]


# Helpers.


@pytest.mark.parametrize("reader", [10, 11])
def test_a_read_by_a_helper_counts_for_the_process_that_it_helps(reader: int) -> None:
    """Parent and child of one program, of which only one opens the file and only the other queries (avahi-daemon)."""
    world = World()
    world.start(10)
    world.fork(10, 11)
    asker = 21 - reader
    world.query(asker)
    world.read(reader)
    world.tick()
    helped = world.process(asker)
    assert helped.helper is not None
    assert (helped.helper.pid, helped.helper.res_state) == (reader, world.process(reader).res_state)
    assert helped.last_read == world.process(reader).last_read
    world.change(NEW)
    world.past_grace()
    world.query(asker, OLD, 2)
    world.tick()
    assert world.state(asker) is State.STALE
    world.read(reader)
    world.query(asker, NEW)
    world.tick()
    assert world.state(asker) is State.RETIRED, "the helper re-read the file for it"


def test_a_reader_that_queries_later_helps_nobody_any_more() -> None:
    """Whether its first query falls into the tick of its read or into a later one."""
    world = World()
    world.start(10)
    world.query(10)
    world.fork(10, 11)
    world.read(11)
    world.tick()
    assert world.process(10).last_read is not None
    world.query(11, NEW)
    world.tick()
    assert world.process(10).helper is None
    assert world.process(10).last_read is None


@pytest.mark.parametrize("why", ["it queries too", "it called exec", "it called exec before a restart"])
def test_who_queries_by_itself_or_called_exec_is_no_helper(why: str) -> None:
    """Its read is its own, though it runs the same program."""
    world = World()
    world.start(10)
    world.fork(10, 11)
    if why == "it called exec before a restart":
        world.execute(11)
        world.restart()
    elif why == "it called exec":
        world.execute(11)
    world.read(11)
    if why == "it queries too":
        world.query(11, OLD)
    world.query(10)
    world.tick()
    assert world.process(10).helper is None
    assert world.process(10).last_read is None
