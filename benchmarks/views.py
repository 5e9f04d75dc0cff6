"""Many views that change at once: how long until each change is noticed, and until each process is flagged."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from pathlib import Path

from benchmarks.figure import Figure, at_most, median
from benchmarks.running import RunningDaemon, running_daemon, scale
from exporter.demo.lab import wait_until
from tests.scenarios.remote import Remote

OLD, NEW = "127.53.0.1", "127.53.0.2"
_VIEWS = 300
_SHORT = "options timeout:1 attempts:1\n"
_LONGEST_LOOKUP_SECONDS = 4
"""Below _SHORT; the grace is no shorter."""
_POLL_SECONDS = 0.02
_WAIT_SECONDS = 60
_SECONDS = "{:.2f} s"
_CHANGED = re.compile(r"^timestamp=(\S+) .*event=changed ", re.MULTILINE)


@contextmanager
def _crowd(directory: Path, number: int) -> Iterator[list[tuple[Path, Remote]]]:
    """Give root directories with a resolv.conf each, and a process in each that has read it and queried."""
    with ExitStack() as stack:
        first = stack.enter_context(closing(Remote.begin()))
        crowd = []
        for one in range(number):
            root = directory / str(one)
            (root / "etc").mkdir(parents=True)
            (root / "etc/resolv.conf").write_text(f"{_SHORT}nameserver {OLD}\n")
            process = stack.enter_context(closing(first.create("spawn")))
            process.do(f"chroot {root}", "open openat /etc/resolv.conf", f"udp sendto {OLD} 1")
            crowd.append((root / "etc", process))
        yield crowd


def _rename(etc: Path, text: str) -> None:
    (etc / "new").write_text(text)
    (etc / "new").rename(etc / "resolv.conf")


def _in_place(etc: Path, text: str) -> None:
    (etc / "resolv.conf").write_text(text)


def _noticed(daemon: RunningDaemon) -> list[float]:
    return [datetime.fromisoformat(moment).timestamp() for moment in _CHANGED.findall(daemon.log.read_text())]


def _change(daemon: RunningDaemon, etcs: Sequence[Path], text: str, how: Callable[[Path, str], None]) -> list[float]:
    """Change all at once; gives how long after the first of them each change was noticed."""
    before = len(_noticed(daemon))
    begun = time.time()
    for etc in etcs:
        how(etc, text)
    wanted = before + len(etcs)
    wait_until(lambda: len(_noticed(daemon)) >= wanted, _WAIT_SECONDS, "every change to be noticed")
    return [moment - begun for moment in _noticed(daemon)[before:]]


def _seconds_to_flags(daemon: RunningDaemon, crowd: Sequence[tuple[Path, Remote]]) -> list[float]:
    """Let each send the queries that pass the threshold; gives how long each flag takes from then on, at most."""
    passed = []
    for _, process in crowd:
        process.do(f"udp sendto {OLD} 2")
        passed.append(time.monotonic())
    seconds: list[float] = []
    while len(seconds) < len(crowd) and time.monotonic() < passed[-1] + _WAIT_SECONDS:
        flagged, now = int(daemon.metric("resolvtrace_stale_processes")), time.monotonic()
        seconds += [now - moment for moment in passed[len(seconds) : flagged]]
        time.sleep(_POLL_SECONDS)
    return seconds if len(seconds) == len(crowd) else [float("inf")]


def _figure(what: str, seconds: Sequence[float], aim: float) -> Figure:
    detail = f"the slowest of {len(seconds)}; median {_SECONDS.format(median(seconds))}"
    return at_most(what, max(seconds), aim, _SECONDS, detail)


def measure() -> list[Figure]:
    """Change them in three ways; after the first, let all processes go on with what was removed."""
    number = max(1, int(_VIEWS * scale()))
    what = f"{number} views change at once"
    with (
        tempfile.TemporaryDirectory() as directory,
        running_daemon("grace_seconds = 1\nmin_queries = 2\n") as daemon,
        _crowd(Path(directory), number) as crowd,
    ):
        etcs = [etc for etc, _ in crowd]
        current = 'resolvtrace_processes{state="current"}'
        wait_until(lambda: daemon.metric(current) >= number, _WAIT_SECONDS, "all to be known")
        renamed = _change(daemon, etcs, f"{_SHORT}nameserver {NEW}\n", _rename)
        time.sleep(_LONGEST_LOOKUP_SECONDS + 1)
        flags = _seconds_to_flags(daemon, crowd)
        in_place = _change(daemon, etcs, f"{_SHORT}nameserver {OLD}\n", _in_place)
        emptied = _change(daemon, etcs, _SHORT, _in_place)
    return [
        _figure(f"{what}, by rename: until noticed", renamed, 1.0),
        _figure(f"{what}, in place: until noticed", in_place, 1.0),
        _figure(f"{what}, to an empty list: until noticed", emptied, 1.0),
        _figure("then a process in each passes the threshold: until the flag in /metrics", flags, 1.5),
    ]
