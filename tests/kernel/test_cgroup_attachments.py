"""Other people's programs on the same cgroups: all work that the kernel lets, and who is in the way is named.

At the machine's root they see what everybody sends, not the tests alone.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from exporter.demo.lab import Program, wait_until
from tests.support.building import build
from tests.support.foreign_program import NAME, ForeignProgram
from tests.support.lab_cgroups import Cgroups
from tests.support.tracing import RESOLVTRACE, Daemon, daemon
from tracer.kernel.filesystems import find_cgroup2

pytestmark = pytest.mark.alone

WAYS = ("none", "override", "multi", "link")
TOGETHER = ("multi", "link")
ALONE = ("none", "override")
QUERIES = 23
SECONDS = 30


@pytest.fixture
def cgroups() -> Iterator[Cgroups]:
    """Give cgroups of the test's own."""
    with Cgroups() as made:
        yield made


@pytest.fixture
def root() -> Path:
    """Give the root of all cgroups."""
    found = find_cgroup2()
    assert found
    return found


def ask(cgroups: Cgroups, path: str, address: str) -> Program:
    """Send queries from a cgroup."""
    argv = cgroups.within(path, [str(build("send_queries")), "sendto", str(QUERIES), address])
    program = Program(argv, {**os.environ, "STAY": "1"})
    program.wait_for_line("done")
    return program


def test_all_work_that_the_kernel_lets(cgroups: Cgroups, root: Path, tmp_path: Path) -> None:
    """At the root those that allow others, below it all, attached before us and after: each sees all, as we do."""
    one = Daemon(tmp_path)
    with ExitStack() as stack:
        everywhere = [stack.enter_context(ForeignProgram(root, way)) for way in TOGETHER]
        theirs: dict[str, ForeignProgram] = {}

        def attach_below(when: str) -> None:
            for way in WAYS:
                path = f"{when}-{way}.service"
                (cgroups.root / path).mkdir()
                theirs[path] = stack.enter_context(ForeignProgram(cgroups.root / path, way))

        attach_below("before")
        stack.callback(lambda: one.process.poll() is None and one.stop())
        one.start()
        attach_below("after")
        everywhere += [stack.enter_context(ForeignProgram(root, way)) for way in TOGETHER]
        before = [foreign.runs() for foreign in everywhere]
        for number, (path, foreign) in enumerate(theirs.items()):
            program = ask(cgroups, path, f"127.23.54.{number}")
            stack.callback(program.stop)
            row = one.wait_for(program.pid, lambda row: bool(row["nameservers"]), SECONDS, "its queries")
            assert [use["queries"] for use in row["nameservers"]] == [QUERIES], path
            assert foreign.runs() == QUERIES, path
        for foreign, then in zip(everywhere, before, strict=True):
            assert foreign.runs() - then >= QUERIES * len(theirs)
        for way in ALONE:
            with pytest.raises(PermissionError), ForeignProgram(root, way):
                pass
        assert one.stop() == 0
        for path, foreign in theirs.items():
            ask(cgroups, path, "127.23.54.99").stop()
            assert foreign.runs() == 2 * QUERIES, path


def alone(stack: ExitStack, root: Path, way: str) -> ForeignProgram | None:
    """Attach one that is alone there; None if another one still is, a daemon that has just exited, say."""
    try:
        return stack.enter_context(ForeignProgram(root, way))
    except PermissionError:
        return None


@pytest.mark.parametrize("way", ALONE)
def test_who_is_in_the_way_is_named(cgroups: Cgroups, root: Path, tmp_path: Path, way: str) -> None:
    """By the daemon that cannot start and by doctor; the other program works on. Once it is gone, the daemon starts."""
    one = Daemon(tmp_path)
    with ExitStack() as stack:
        foreign = wait_until(lambda: alone(stack, root, way), SECONDS, "the root to be free")
        with pytest.raises(AssertionError, match="ended at once"):
            one.start()
        assert one.process.returncode == 1
        (line,) = one.log().splitlines()
        looked = subprocess.run(
            [RESOLVTRACE, "doctor", "--socket", tmp_path / "none"],
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env={"PATH": os.environ["PATH"]},
        )
        assert looked.returncode == 2
        for said in (line, looked.stdout):
            assert re.search(rf"{NAME} \(id \d+\) holds sendmsg4 of the root cgroup alone", said)
            assert "BPF_F_ALLOW_MULTI" in said
            assert "lookups go on" in said
        before = foreign.runs()
        ask(cgroups, "any.service", "127.23.54.100").stop()
        assert foreign.runs() - before >= QUERIES
    one.start()
    assert one.stop() == 0


def test_foreign_programs_at_the_machines_own_root(tmp_path: Path) -> None:
    """Those that allow others, there before a daemon and after."""
    root = find_cgroup2()
    assert root is not None
    with ExitStack() as stack:
        theirs = [stack.enter_context(ForeignProgram(root, way)) for way in TOGETHER]
        one = stack.enter_context(daemon(tmp_path))
        theirs += [stack.enter_context(ForeignProgram(root, way)) for way in TOGETHER]
        before = [foreign.runs() for foreign in theirs]
        program = Program([build("send_queries"), "sendto", str(QUERIES), "127.23.54.101"], {"STAY": "1"})
        stack.callback(program.stop)
        row = one.wait_for(program.pid, lambda row: bool(row["nameservers"]), SECONDS, "its queries")
        assert [use["queries"] for use in row["nameservers"]] == [QUERIES]
        wait_until(
            lambda: all(foreign.runs() - then >= QUERIES for foreign, then in zip(theirs, before, strict=True)),
            SECONDS,
            "the foreign programs to have seen them",
        )
