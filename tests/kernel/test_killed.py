"""A daemon that dies without a chance to clean up: nothing of it stays in the kernel, and the next one starts."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from exporter.demo.lab import wait_until
from tests.support.tracing import RESOLVTRACE, Daemon, daemon
from tracer.kernel.programs import CGROUP_PROGRAMS, TRACEPOINTS

KINDS = ("prog", "link", "map")
OURS = {one.function for one in CGROUP_PROGRAMS} | {one.function for one in TRACEPOINTS}
DELAYS = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.3, 1.6]
"""Seconds after the start; alone, loading is over after about one."""
MARK = "RESOLVTRACE_TEST_MARK"
GONE_SECONDS = 10


def bpftool(*words: str) -> Any:
    """Run bpftool and return its JSON."""
    done = subprocess.run(["bpftool", "-j", *words], check=True, stdout=subprocess.PIPE, timeout=60)
    return json.loads(done.stdout)


def held(descriptors: Path) -> dict[str, set[int]]:
    """Give the numbers of the programs, links and maps that a process holds, by its /proc/PID/fdinfo."""
    found: dict[str, set[int]] = defaultdict(set)
    with suppress(OSError):
        for descriptor in descriptors.iterdir():
            with suppress(OSError):
                for kind, number in re.findall(r"^(prog|link|map)_id:\t(\d+)", descriptor.read_text(), re.MULTILINE):
                    found[kind].add(int(number))
    return found


def in_kernel(kind: str) -> set[int]:
    """Give the numbers of all that the kernel has."""
    return {one["id"] for one in bpftool(kind)}


def on_cgroups() -> set[int]:
    """Give the programs that are attached to any cgroup."""
    return {program["id"] for cgroup in bpftool("cgroup", "tree") for program in cgroup["programs"]}


def orphans() -> set[int]:
    """Give the programs with a name of ours that no process holds: a link or an attachment of the old kind does."""
    ours = {one["id"] for one in bpftool("prog") if one.get("name") in OURS}
    return ours - set().union(*(held(process / "fdinfo")["prog"] for process in Path("/proc").glob("[0-9]*")))


def marked(mark: str) -> list[int]:
    """Find the processes that run with a mark in their environment; children have it too, zombies have none."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


def loader_of(pid: int) -> list[int]:
    """Give a daemon's loader, if it has one: the child that runs the daemon's own program, unlike its root readers.

    A root reader that has not executed its own yet comes behind it.
    """

    def program(process: int) -> bytes:
        return Path(f"/proc/{process}/cmdline").read_bytes()

    with suppress(OSError):
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return [child for child in children if program(child) == program(pid)]
    return []


def test_nothing_stays_and_the_next_one_starts(tmp_path: Path) -> None:
    """SIGKILL: programs, links and maps are gone, and the same socket and state directory serve the next daemon."""
    with daemon(tmp_path) as running:
        before = held(Path(f"/proc/{running.process.pid}/fdinfo"))
        assert before["prog"] >= {one["prog_id"] for one in bpftool("link") if one["id"] in before["link"]}
        assert len(before["link"]) == len(CGROUP_PROGRAMS)
        assert on_cgroups() & before["prog"]
        running.kill()
        for kind in KINDS:
            wait_until(lambda kind=kind: not before[kind] & in_kernel(kind), GONE_SECONDS, f"its {kind}s to be gone")  # type: ignore[misc]
        assert not on_cgroups() & before["prog"]
        assert Path(running.socket).exists()
        running.start()
        assert running.check()["health"]["probes"]["egress"]
        assert running.stop() == 0
        assert not Path(running.socket).exists()


@contextmanager
def loading(directory: Path, mark: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a daemon and leave it to the block what becomes of it."""
    directory.mkdir(parents=True, exist_ok=True)
    argv = [str(RESOLVTRACE), "daemon", "--socket", str(directory / "socket"), "--state-dir", str(directory / "state")]
    argv += ["--web.listen-address", "127.0.0.1:0"]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=log, env={**os.environ, MARK: mark})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("delays", [DELAYS[first::3] for first in range(3)])
def test_killed_while_it_loads(tmp_path: Path, delays: list[float]) -> None:
    """SIGKILL at any moment of the start, of four at once: the loaders exit too, and no program stays behind."""
    mark = f"{os.getpid()}-{delays}"
    with ExitStack() as stack:
        processes = [stack.enter_context(loading(tmp_path / str(delay), mark)) for delay in delays]
        begun = monotonic()
        for delay, process in zip(delays, processes, strict=True):
            sleep(max(0.0, begun + delay - monotonic()))  # not to wait for something, but to hit another moment
            process.kill()
            process.wait()
        wait_until(lambda: not marked(mark), GONE_SECONDS, "the loaders to end")
    wait_until(lambda: not orphans(), GONE_SECONDS, "programs that nobody holds to be gone")
    with daemon(tmp_path / str(delays[-1])) as running:
        assert all(running.check()["health"]["probes"].values())


def test_a_dead_loader_is_reported(tmp_path: Path) -> None:
    """If the loader is killed (out of memory, say) the daemon says so and exits."""
    with loading(tmp_path, "dead-loader") as process:
        loader, *_ = wait_until(lambda: loader_of(process.pid), 30, "the loader")
        os.kill(loader, signal.SIGKILL)
        assert process.wait(30) == 1
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert line.startswith("resolvtrace daemon: the loader was killed by signal 9 (Killed)")
    wait_until(lambda: not orphans(), GONE_SECONDS, "programs that nobody holds to be gone")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_while_it_loads(tmp_path: Path, number: signal.Signals) -> None:
    """A stop that comes during the start is a stop: status 0, soon, and nothing left."""
    with loading(tmp_path, f"ended-{number}") as process:
        wait_until(lambda: loader_of(process.pid), 30, "the loader")
        process.send_signal(number)
        assert process.wait(5) == 0
        assert not marked(f"ended-{number}")
        assert not (tmp_path / "socket").exists()
        assert "Traceback" not in (tmp_path / "log").read_text()
    wait_until(lambda: not orphans(), GONE_SECONDS, "programs that nobody holds to be gone")


def test_a_stop_is_quick_and_clean(tmp_path: Path) -> None:
    """SIGTERM to a daemon that is ready: status 0 within two seconds, nothing left, and said so."""
    running = Daemon(tmp_path)
    running.start()
    try:
        before = held(Path(f"/proc/{running.process.pid}/fdinfo"))
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(2) == 0
    finally:
        running.kill()
    wait_until(lambda: not before["prog"] & in_kernel("prog"), GONE_SECONDS, "its programs to be gone")
    assert not Path(running.socket).exists()
    assert "event=stopped" in running.log().splitlines()[-1]
