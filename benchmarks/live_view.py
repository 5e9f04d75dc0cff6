"""What `resolvtrace top` takes for ten thousand rows, in a real terminal: seconds to answer a key, share of a core."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figure import Figure, at_most, without_aim
from tests.support.terminal import Terminal

ROWS = 10_000
_KEYS = 40
_SECONDS = 20.0
_TOP = Path(sys.executable).with_name("resolvtrace")
_SERVE = """
import sys, time
from dataclasses import replace
from tests.support.samples import SECOND, process, running, snapshot
from exporter.feed.server import FeedServer
from tracer.verdict.states import State
path, rows = sys.argv[1], int(sys.argv[2])
states = [State.STALE] + [State.CURRENT] * 9
whole = snapshot(*(process(pid, states[pid % 10], unit=f"unit{pid % 300}.service") for pid in range(2, rows + 2)))
begun = time.monotonic()
def latest():
    return replace(whole, time=whole.time + int(time.monotonic() - begun) * SECOND)
with running(lambda: FeedServer.start(latest, path)):
    print("ready", flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class LiveView:
    """``answers``: seconds from a key to the screen that shows it. ``share``: of a core, at a sample a second."""

    answers: list[float]
    share: float

    @property
    def median(self) -> float:
        """The usual answer."""
        return statistics.median(self.answers)

    @property
    def slowest(self) -> float:
        """The worst one."""
        return max(self.answers)


@contextmanager
def _serving(path: str) -> Iterator[None]:
    argv = [sys.executable, "-c", _SERVE, path, str(ROWS)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as feed:
        if feed.stdin is None or feed.stdout is None:
            raise RuntimeError("no pipe")
        feed.stdout.readline()
        try:
            yield
        finally:
            feed.stdin.close()


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure() -> LiveView:
    """Press keys between samples and within them, and see how long each takes."""
    with tempfile.TemporaryDirectory() as directory, _serving(f"{directory}/s"), Terminal(100, 30) as terminal:
        terminal.run([str(_TOP), "top", "--socket", f"{directory}/s"])
        terminal.wait_for("quit")
        pid = _pid_of(directory)
        used, begun = _cpu_seconds(pid), time.monotonic()
        time.sleep(_SECONDS)
        share = (_cpu_seconds(pid) - used) / (time.monotonic() - begun)
        answers = []
        for number in range(_KEYS):
            key = ("End", "Home")[number % 2]
            pressed, before = time.monotonic(), terminal.screen()
            terminal.press(key)
            while terminal.screen().splitlines()[8:] == before.splitlines()[8:]:
                pass
            answers.append(time.monotonic() - pressed)
            time.sleep(0.037 * (number % 9))  # at all distances from a sample
    return LiveView(answers, share)


def figures() -> list[Figure]:
    """Tell it by figures."""
    view = measure()
    milliseconds = "{:.0f} ms"
    return [
        at_most(f"top, {ROWS:,} rows, a sample a second", view.share, 0.05, "{:.1%} of a core"),
        without_aim(f"top, {ROWS:,} rows: a key's answer", view.median * 1000, milliseconds, "the median"),
        at_most(f"top, {ROWS:,} rows: a key's answer, slowest", view.slowest * 1000, 100, milliseconds),
    ]


def _pid_of(directory: str) -> int:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if f"{directory}/s".encode() in words and b"top" in words:
                return int(entry.name)
    raise RuntimeError("top is not running")
