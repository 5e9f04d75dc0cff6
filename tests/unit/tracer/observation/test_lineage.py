"""Who shares whose state among the processes that ran before the probes did."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.doubles import FakeMap
from tests.support.proctree import ProcTree
from tests.support.world import World
from tracer.kernel.records import LINE, KernelProcess, ProcessFlag, ancestor, ancestor_pid, is_ancestor
from tracer.observation.lineage import NOTHING_SAVED, Lineage, SavedLineage, SavedProcess, SavedResolverState, extended
from tracer.observe.procfs import TICK_NS, Procfs, Running
from tracer.resolvconf.history import SECOND

SAME, OTHER = b"the same auxv", b"another auxv"


@pytest.fixture
def tree(tmp_path: Path) -> ProcTree:
    """Return a /proc with PID 1."""
    tree = ProcTree(tmp_path)
    tree.add(1, parent=0, ticks=1)
    return tree


def _seed(
    tree: ProcTree,
    saved: dict[int, SavedProcess] | None = None,
    states: list[SavedResolverState] | None = None,
    seen: FakeMap | None = None,
) -> Lineage:
    lineage = Lineage(seen or FakeMap())
    known = SavedLineage(saved or {}, {one.id: one for one in states or []})
    lineage.seed(Procfs(tree.root), known, SECOND)
    return lineage


def _owner(lineage: Lineage, pid: int) -> int:
    """Tell whose state a process has: the topmost of its line that lives and has it."""
    entry = _entry(lineage, pid)
    for named in entry.line:
        above = lineage.process(ancestor_pid(named))
        if (
            above is not None
            and above.res_state_id == entry.res_state_id
            and is_ancestor(ancestor_pid(named), above.birth, named)
        ):
            return ancestor_pid(named)
    return pid


def _running(tree: ProcTree, pid: int) -> Running:
    found = Procfs(tree.root).running(pid)
    assert found is not None
    return found


def _entry(lineage: Lineage, pid: int) -> KernelProcess:
    entry = lineage.process(pid)
    assert entry is not None
    return entry


def test_parent_and_child_with_one_auxv_share_state(tree: ProcTree) -> None:
    """Neither called exec since the fork."""
    tree.add(10, auxv=SAME)
    tree.add(11, parent=10, auxv=SAME)
    tree.add(12, parent=11, auxv=SAME)
    lineage = _seed(tree)
    assert [_owner(lineage, pid) for pid in (10, 11, 12)] == [10, 10, 10]


def test_parent_and_child_with_two_auxvs_do_not(tree: ProcTree) -> None:
    """One of them called exec."""
    tree.add(10, auxv=SAME)
    tree.add(11, parent=10, auxv=OTHER)
    lineage = _seed(tree)
    assert _owner(lineage, 11) == 11


def test_one_auxv_says_nothing_of_processes_that_are_not_parent_and_child(tree: ProcTree) -> None:
    """Without address space randomisation it may be the same by chance; a chain broken by exec stays broken."""
    tree.add(10, auxv=SAME)
    tree.add(11, parent=10, auxv=OTHER)
    tree.add(12, parent=11, auxv=SAME)
    tree.add(13, parent=1, auxv=SAME)
    lineage = _seed(tree)
    assert [_owner(lineage, pid) for pid in (12, 13)] == [12, 13]


def test_a_process_whose_auxv_cannot_be_read_shares_with_nobody(tree: ProcTree) -> None:
    """Two unknowns are not the same."""
    for pid, parent in ((10, 1), (11, 10)):
        (tree.add(pid, parent=parent) / "auxv").write_bytes(b"")
    lineage = _seed(tree)
    assert _owner(lineage, 11) == 11


def test_a_child_with_a_lower_pid_than_its_parent_is_found_too(tree: ProcTree) -> None:
    """Pids wrap around."""
    tree.add(30000, auxv=SAME)
    tree.add(11, parent=30000, auxv=SAME)
    lineage = _seed(tree)
    assert _owner(lineage, 11) == 30000


def test_what_the_previous_daemon_saw_goes_before_the_auxv(tree: ProcTree) -> None:
    """The child has read the file on its own since the fork."""
    tree.add(10, auxv=SAME)
    tree.add(11, parent=10, auxv=SAME, ticks=200)
    known = _running(tree, 11)
    saved = {11: SavedProcess(known.start, 3, 5, (), 0, 0)}
    lineage = _seed(tree, saved, [SavedResolverState(5, known.image, 77)])
    assert _owner(lineage, 11) == 11
    entry = _entry(lineage, 11)
    assert (entry.res_state_id, entry.execs) == (5, 3)


def test_a_worker_of_before_the_restart_is_a_worker_after_it(tree: ProcTree) -> None:
    """The previous daemon knew both by one state."""
    tree.add(10, auxv=SAME)
    tree.add(11, parent=10, auxv=SAME)
    parent, child = _running(tree, 10), _running(tree, 11)
    saved = {
        10: SavedProcess(parent.start, 0, 5, (), 0, 0),
        11: SavedProcess(child.start, 0, 5, (ancestor(10, parent.start),), 0, 0),
    }
    assert _owner(_seed(tree, saved, [SavedResolverState(5, child.image, 0)]), 11) == 10


@pytest.mark.parametrize("change", ["start", "image"])
def test_what_the_previous_daemon_knew_of_another_process_of_that_pid_is_no_use(tree: ProcTree, change: str) -> None:
    """The pid was used again, or it called exec while no daemon ran."""
    tree.add(10, auxv=SAME)
    tree.add(11, parent=10, auxv=SAME)
    known = _running(tree, 11)
    start = known.start - 1 if change == "start" else known.start
    image = b"other" if change == "image" else known.image
    lineage = _seed(tree, {11: SavedProcess(start, 3, 5, (), 0, 0)}, [SavedResolverState(5, image, 0)])
    assert _owner(lineage, 11) == 10
    assert _entry(lineage, 11).execs == (4 if change == "image" else 0), "another program, or another process"


def test_a_birth_is_found_again_though_proc_tells_it_to_the_clock_tick(tree: ProcTree) -> None:
    """The kernel side noted the nanosecond: up to a tick later, and one more for a fork that took its time."""
    tree.add(10, auxv=SAME)
    known = _running(tree, 10)
    born = known.start + TICK_NS - 1
    entry = _entry(_seed(tree, {10: SavedProcess(born, 0, 5, (), 0, 0)}, [SavedResolverState(5, known.image, 0)]), 10)
    assert (entry.birth, entry.res_state_id) == (born, 5)


@pytest.mark.parametrize(("read", "shares"), [(-1, True), (TICK_NS - 1, True), (TICK_NS, False), (SECOND, False)])
def test_who_was_forked_while_no_daemon_ran_joins_its_parents_state(tree: ProcTree, read: int, *, shares: bool) -> None:
    """Unless it was forked before the read that made that state, as far as /proc shows: starts are given in ticks."""
    tree.add(10, auxv=SAME)
    tree.add(11, parent=10, auxv=SAME, ticks=200)
    parent, child = _running(tree, 10), _running(tree, 11)
    state = SavedResolverState(5, parent.image, child.start + read)
    lineage = _seed(tree, {10: SavedProcess(parent.start, 0, 5, (), 0, 0)}, [state])
    assert (_owner(lineage, 11) == 10) is shares
    assert (_entry(lineage, 11).res_state_id == 5) is shares


def test_who_was_forked_while_no_daemon_ran_and_lost_its_parent_has_the_state_of_its_image(tree: ProcTree) -> None:
    """The latest that was read before it was forked."""
    tree.add(11, auxv=SAME, ticks=200)
    child = _running(tree, 11)
    states = [
        SavedResolverState(5, child.image, child.start - 9 * SECOND),
        SavedResolverState(6, child.image, child.start - SECOND),
        SavedResolverState(7, child.image, child.start + SECOND),
        SavedResolverState(8, b"other", child.start - SECOND),
    ]
    lineage = _seed(tree, {}, states)
    assert _entry(lineage, 11).res_state_id == 6
    assert _owner(lineage, 11) == 11


def test_processes_of_one_root_see_one_view(tree: ProcTree, tmp_path: Path) -> None:
    """Roots are numbered by namespace and directory."""
    roots = [tmp_path / name for name in ("host", "jail")]
    for root in roots:
        root.mkdir()
    tree.add(10, root=roots[0])
    tree.add(11, root=roots[0])
    tree.add(12, root=roots[1])
    tree.add(13, root=roots[0], namespace="other")
    tree.add(14)
    tree.add(15)
    lineage = _seed(tree)
    assert lineage.root_number(10) == lineage.root_number(11)
    assert len({lineage.root_number(pid) for pid in (10, 12, 13, 14, 15)}) == 5, "an unknown root is like no other"


def test_what_the_kernel_side_knows_already_stands(tree: ProcTree) -> None:
    """It saw that process begin."""
    tree.add(10, auxv=SAME)
    world = World()
    world.start(10, birth=77)
    before = world.map.entries[10]
    lineage = _seed(tree, seen=world.map)
    assert _entry(lineage, 10) == before


def test_what_acted_before_we_came_to_it_is_completed(tree: ProcTree, tmp_path: Path) -> None:
    """The kernel side did not see it begin; what it made of its state holds."""
    tree.add(10, auxv=SAME, ticks=500, root=tmp_path)
    world = World()
    world.start(10)
    world.map.entries[10] = world.map.entries[10]._replace(birth=0, root=0, flags=ProcessFlag.ACTED)
    state = world.map.entries[10].res_state_id
    lineage = _seed(tree, seen=world.map)
    entry = _entry(lineage, 10)
    found = Procfs(tree.root).running(10)
    assert found is not None
    assert (entry.birth, entry.res_state_id, entry.flags) == (found.start, state, ProcessFlag.ACTED)
    assert entry.root


def test_a_parent_that_acted_while_the_probes_loaded_still_shares_with_its_children(tree: ProcTree) -> None:
    """It queried, or forked; it did not read: what its children of before use is still its state."""
    tree.add(10, auxv=SAME)
    tree.add(11, parent=10, auxv=SAME)
    world = World()
    world.start(10)
    world.map.entries[10] = world.map.entries[10]._replace(birth=0, flags=ProcessFlag.ACTED)
    lineage = _seed(tree, seen=world.map)
    assert _owner(lineage, 11) == 10


def test_a_child_that_queried_while_the_probes_loaded_still_works_for_its_parent(tree: ProcTree) -> None:
    """Nor does a query of its own make it an owner."""
    tree.add(10, auxv=SAME)
    tree.add(11, parent=10, auxv=SAME)
    world = World()
    world.start(11)
    world.map.entries[11] = world.map.entries[11]._replace(birth=0, flags=ProcessFlag.ACTED)
    lineage = _seed(tree, seen=world.map)
    assert _owner(lineage, 11) == 10


def test_a_parent_that_read_while_the_probes_loaded_is_on_its_own(tree: ProcTree) -> None:
    """Its children of before go by the state that it had."""
    tree.add(10, auxv=SAME)
    tree.add(11, parent=10, auxv=SAME)
    world = World()
    world.start(10)
    flags = ProcessFlag.ACTED | ProcessFlag.READ_ONCE
    world.map.entries[10] = world.map.entries[10]._replace(birth=0, flags=flags)
    lineage = _seed(tree, seen=world.map)
    assert _owner(lineage, 11) == 11


def test_states_are_numbered_on_from_those_of_before(tree: ProcTree) -> None:
    """What the previous daemon kept of reads and queries lies before whatever comes now."""
    world = World()
    world.start(99)
    before = world.map.entries[99].res_state_id
    tree.add(10)
    lineage = Lineage(world.map)
    lineage.seed(Procfs(tree.root), NOTHING_SAVED, world.clock.now)
    assert _entry(lineage, 10).res_state_id > before


def test_processes_that_vanish_or_form_a_ring_do_no_harm(tree: ProcTree) -> None:
    """/proc is read file by file: a pid may be used again in between, and a parent seem its own grandchild."""
    tree.add(10, parent=11, auxv=SAME)
    tree.add(11, parent=10, auxv=SAME)
    (tree.add(12, parent=10) / "stat").unlink()
    lineage = _seed(tree)
    assert lineage.process(12) is None
    assert {_owner(lineage, pid) for pid in (10, 11)} <= {10, 11}


@given(st.lists(st.tuples(st.integers(0, 7), st.booleans()), min_size=1, max_size=8))
@settings(deadline=None, max_examples=30)
def test_the_owner_is_the_topmost_of_an_unbroken_chain(
    tmp_path_factory: pytest.TempPathFactory, family: list[tuple[int, bool]]
) -> None:
    """For any family: up through parents as long as no exec lies between."""
    tree = ProcTree(tmp_path_factory.mktemp("family"))
    parents: dict[int, int] = {}
    auxvs: dict[int, bytes] = {}
    expected: dict[int, int] = {}
    for number, (up, execed) in enumerate(family):
        pid = 10 + number
        parents[pid] = 10 + up if up < number else 1
        inherited = auxvs.get(parents[pid])
        auxvs[pid] = b"of %d" % pid if execed or inherited is None else inherited
        shares = auxvs[pid] == inherited
        expected[pid] = expected[parents[pid]] if shares else pid
        tree.add(pid, parent=parents[pid], auxv=auxvs[pid], ticks=number)
    lineage = _seed(tree)
    assert {pid: _owner(lineage, pid) for pid in parents} == expected


# Lines.


def test_a_long_line_keeps_the_topmost_and_the_nearest() -> None:
    """As add_to_line() of bpf/maps.h does."""
    line: tuple[int, ...] = ()
    for number in range(1, 10):
        line = extended(line, number, lambda _: True)
    assert line == (1, 2, 3, 7, 8, 9)
    assert len(line) == LINE


def test_a_long_line_drops_who_has_exited_before_anybody_who_lives() -> None:
    """Else a living ancestor would be lost, and its descendants owned by nobody when those above it exit."""
    assert extended((1, 2, 3, 4, 5, 6), 7, lambda named: named not in {2, 5}) == (1, 3, 4, 5, 6, 7)


def test_relatives_are_those_that_have_the_state_and_somebody_of_the_line_who_left_it() -> None:
    """Ancestors first; who read the file since has another state, and who came to the pid later another birth."""
    world = World()
    world.start(10)
    left = world.map.entries[10]
    for parent, child in ((10, 11), (11, 12), (10, 13)):
        world.fork(parent, child)
    world.read(13)
    world.start(14)
    found = world.lineage.relatives_of([(10, left.birth, left.res_state_id)])
    assert [pid for pid, _ in found] == [11, 12]
    assert not world.lineage.relatives_of([(10, left.birth + SECOND, left.res_state_id)])
    assert not world.lineage.relatives_of([(12, world.map.entries[12].birth, left.res_state_id)])
