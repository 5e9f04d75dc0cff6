"""Other people's programs on the same cgroups: all work that the kernel lets, and who is in the way is named.

The daemons here are in a cgroup namespace of the test's own, whose root they take for the machine's: a program that
is alone there keeps nobody else's daemon out.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from building import build
from lab_cgroups import Cgroups
from neighbour import NAME, Neighbour
from tracing import RESOLVTRACE, Daemon, daemon

from exporter.lab import Program, wait_until
from tracer.kernel.filesystems import find_cgroup2

WAYS = ("none", "override", "multi", "link")
TOGETHER = ("multi", "link")
ALONE = ("none", "override")
QUERIES = 23
SECONDS = 30
OWN_ROOT = (
    'for m in $(findmnt -rno TARGET -t cgroup2); do umount -l "$m"; done; '
    'place=/sys/fs/cgroup/unified; test -d "$place" || place=/sys/fs/cgroup; '
    'mount -t cgroup2 cgroup2 "$place" && exec "$@"'
)


@pytest.fixture
def cgroups() -> Iterator[Cgroups]:
    """Give cgroups of the test's own."""
    with Cgroups() as made:
        yield made


def below(cgroups: Cgroups, *argv: str) -> list[str]:
    """Give a command for which the test's cgroup is the root of all."""
    alone = ["unshare", "--cgroup", "--mount", "--propagation", "private", "sh", "-ec", OWN_ROOT, "sh"]
    return cgroups.within(".", [*alone, *argv])


def a_daemon(cgroups: Cgroups, directory: Path) -> Daemon:
    """Give one that has not been started."""
    directory.mkdir(exist_ok=True)
    one = Daemon(directory)
    one._command = below(cgroups, *one._command)
    return one


def ask(cgroups: Cgroups, path: str, address: str) -> Program:
    """Send queries from a cgroup."""
    argv = cgroups.within(path, [str(build("send_queries")), "sendto", str(QUERIES), address])
    program = Program(argv, {**os.environ, "STAY": "1"})
    program.wait_for_line("done")
    return program


def test_all_work_that_the_kernel_lets(cgroups: Cgroups, tmp_path: Path) -> None:
    """At the root those that allow others, below it all, attached before us and after: each sees all, as we do."""
    one = a_daemon(cgroups, tmp_path)
    with ExitStack() as stack:
        everywhere = [stack.enter_context(Neighbour(cgroups.root, way)) for way in TOGETHER]
        theirs: dict[str, Neighbour] = {}

        def attach_below(when: str) -> None:
            for way in WAYS:
                path = f"{when}-{way}.service"
                (cgroups.root / path).mkdir()
                theirs[path] = stack.enter_context(Neighbour(cgroups.root / path, way))

        attach_below("before")
        stack.callback(lambda: one.process.poll() is None and one.stop())
        one.start()
        attach_below("after")
        everywhere += [stack.enter_context(Neighbour(cgroups.root, way)) for way in TOGETHER]
        before = [neighbour.runs() for neighbour in everywhere]
        for number, (path, neighbour) in enumerate(theirs.items()):
            program = ask(cgroups, path, f"127.23.54.{number}")
            stack.callback(program.stop)
            row = one.wait_for(program.pid, lambda row: bool(row["nameservers"]), SECONDS, "its queries")
            assert [use["queries"] for use in row["nameservers"]] == [QUERIES], path
            assert neighbour.runs() == QUERIES, path
        for neighbour, then in zip(everywhere, before, strict=True):
            assert neighbour.runs() - then == QUERIES * len(theirs)
        for way in ALONE:
            with pytest.raises(PermissionError), Neighbour(cgroups.root, way):
                pass
        assert one.stop() == 0
        for path, neighbour in theirs.items():
            ask(cgroups, path, "127.23.54.99").stop()
            assert neighbour.runs() == 2 * QUERIES, path


@pytest.mark.parametrize("way", ALONE)
def test_who_is_in_the_way_is_named(cgroups: Cgroups, tmp_path: Path, way: str) -> None:
    """By the daemon that cannot start and by doctor; the other program works on. Once it is gone, the daemon starts."""
    one = a_daemon(cgroups, tmp_path)
    with Neighbour(cgroups.root, way) as neighbour:
        with pytest.raises(AssertionError, match="ended at once"):
            one.start()
        assert one.process.returncode == 1
        (line,) = one.log().splitlines()
        looked = subprocess.run(
            below(cgroups, str(RESOLVTRACE), "doctor", "--socket", str(tmp_path / "none")),
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
        before = neighbour.runs()
        ask(cgroups, "any.service", "127.23.54.100").stop()
        assert neighbour.runs() - before == QUERIES
    one.start()
    assert one.stop() == 0


def test_neighbours_at_the_machines_own_root(tmp_path: Path) -> None:
    """Those that allow others, there before a daemon and after."""
    root = find_cgroup2()
    assert root is not None
    with ExitStack() as stack:
        theirs = [stack.enter_context(Neighbour(root, way)) for way in TOGETHER]
        one = stack.enter_context(daemon(tmp_path))
        theirs += [stack.enter_context(Neighbour(root, way)) for way in TOGETHER]
        before = [neighbour.runs() for neighbour in theirs]
        program = Program([build("send_queries"), "sendto", str(QUERIES), "127.23.54.101"], {"STAY": "1"})
        stack.callback(program.stop)
        row = one.wait_for(program.pid, lambda row: bool(row["nameservers"]), SECONDS, "its queries")
        assert [use["queries"] for use in row["nameservers"]] == [QUERIES]
        wait_until(
            lambda: all(neighbour.runs() - then >= QUERIES for neighbour, then in zip(theirs, before, strict=True)),
            SECONDS,
            "the neighbours to have seen them",
        )
