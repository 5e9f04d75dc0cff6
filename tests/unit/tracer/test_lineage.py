"""Who shares whose state among the processes that ran before the probes did."""

from __future__ import annotations

from pathlib import Path

import pytest
from doubles import FakeMap, World
from hypothesis import given, settings
from hypothesis import strategies as st
from proctree import ProcTree

from tracer.generations import SECOND
from tracer.kernel.records import Flag, KernelProcess
from tracer.lineage import Former, Lineage
from tracer.procfs import Procfs

SAME, OTHER = b"the same auxv", b"another auxv"


@pytest.fixture
def tree(tmp_path: Path) -> ProcTree:
    """Return a /proc with PID 1."""
    tree = ProcTree(tmp_path)
    tree.add(1, parent=0, ticks=1)
    return tree


def _seed(tree: ProcTree, former: dict[int, Former] | None = None, seen: FakeMap | None = None) -> Lineage:
    lineage = Lineage(seen or FakeMap())
    lineage.seed(Procfs(tree.root), former or {}, SECOND)
    return lineage


def _owner(lineage: Lineage, pid: int) -> int:
    entry = lineage.process(pid)
    assert entry is not None
    return lineage.owner(pid, entry)[0]


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


def test_what_a_former_daemon_saw_goes_before_the_auxv(tree: ProcTree) -> None:
    """The child has read the file on its own since the fork."""
    tree.add(10, auxv=SAME)
    tree.add(11, parent=10, auxv=SAME, ticks=200)
    procfs = Procfs(tree.root)
    known = procfs.running(11)
    assert known is not None
    former = {11: Former(known.start, 3, known.image, owns_state=True)}
    lineage = _seed(tree, former)
    assert _owner(lineage, 11) == 11
    assert _entry(lineage, 11).execs == 3


def test_a_worker_of_before_the_restart_is_a_worker_after_it(tree: ProcTree) -> None:
    """The former daemon knew it as one."""
    tree.add(10, auxv=SAME)
    tree.add(11, parent=10, auxv=SAME)
    known = Procfs(tree.root).running(11)
    assert known is not None
    lineage = _seed(tree, {11: Former(known.start, 0, known.image, owns_state=False)})
    assert _owner(lineage, 11) == 10


@pytest.mark.parametrize("change", ["start", "image"])
def test_what_a_former_daemon_knew_of_another_process_of_that_pid_is_no_use(tree: ProcTree, change: str) -> None:
    """The pid was used again, or it called exec while no daemon ran."""
    tree.add(10, auxv=SAME)
    tree.add(11, parent=10, auxv=SAME)
    known = Procfs(tree.root).running(11)
    assert known is not None
    start = known.start + 1 if change == "start" else known.start
    image = b"other" if change == "image" else known.image
    lineage = _seed(tree, {11: Former(start, 3, image, owns_state=True)})
    assert _owner(lineage, 11) == 10
    assert _entry(lineage, 11).execs == 0


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
    world.map.entries[10] = world.map.entries[10]._replace(birth=0, owner_birth=0, root=0, flags=Flag.ACTED)
    state = world.map.entries[10].state
    lineage = _seed(tree, seen=world.map)
    entry = _entry(lineage, 10)
    found = Procfs(tree.root).running(10)
    assert found is not None
    assert (entry.birth, entry.state, entry.flags) == (found.start, state, Flag.ACTED)
    assert entry.root


def test_a_parent_that_acted_while_the_probes_loaded_still_shares_with_its_children(tree: ProcTree) -> None:
    """It asked, or forked; it did not read: what its children of before use is still its state."""
    tree.add(10, auxv=SAME)
    tree.add(11, parent=10, auxv=SAME)
    world = World()
    world.start(10)
    world.map.entries[10] = world.map.entries[10]._replace(birth=0, owner_birth=0, flags=Flag.ACTED)
    lineage = _seed(tree, seen=world.map)
    assert _owner(lineage, 11) == 10


def test_a_child_that_asked_while_the_probes_loaded_still_works_for_its_parent(tree: ProcTree) -> None:
    """Nor does a query of its own make it an owner."""
    tree.add(10, auxv=SAME)
    tree.add(11, parent=10, auxv=SAME)
    world = World()
    world.start(11)
    world.map.entries[11] = world.map.entries[11]._replace(birth=0, owner_birth=0, flags=Flag.ACTED)
    lineage = _seed(tree, seen=world.map)
    assert _owner(lineage, 11) == 10


def test_a_parent_that_read_while_the_probes_loaded_is_on_its_own(tree: ProcTree) -> None:
    """Its children of before go by the state that it had."""
    tree.add(10, auxv=SAME)
    tree.add(11, parent=10, auxv=SAME)
    world = World()
    world.start(10)
    flags = Flag.ACTED | Flag.READ_ONCE
    world.map.entries[10] = world.map.entries[10]._replace(birth=0, owner_birth=0, flags=flags)
    lineage = _seed(tree, seen=world.map)
    assert _owner(lineage, 11) == 11


def test_states_are_numbered_on_from_those_of_before(tree: ProcTree) -> None:
    """What a former daemon kept of reads and queries lies before whatever comes now."""
    world = World()
    world.start(99)
    before = world.map.entries[99].state
    tree.add(10)
    lineage = Lineage(world.map)
    lineage.seed(Procfs(tree.root), {}, world.clock.now)
    assert _entry(lineage, 10).state > before


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


@pytest.mark.parametrize(("later", "owner"), [(1, 11), (-1, 10)])
def test_a_parent_that_a_former_daemon_saw_read_again_left_its_children(tree: ProcTree, later: int, owner: int) -> None:
    """What it forked before that read goes by the state of before; what it forked after, by the new one."""
    tree.add(10, auxv=SAME)
    tree.add(11, parent=10, auxv=SAME, ticks=200)
    procfs = Procfs(tree.root)
    parent, child = procfs.running(10), procfs.running(11)
    assert parent is not None
    assert child is not None
    former = Former(parent.start, 0, parent.image, owns_state=True, last_read=child.start + later)
    assert _owner(_seed(tree, {10: former}), 11) == owner
