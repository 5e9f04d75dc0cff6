"""What an administrator would use instead, both from Debian: a bpftrace script that counts by hand, and tcpdump."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks.counters import bpftool
from benchmarks.running import running_daemon
from exporter.demo.lab import wait_until

BY_HAND = Path(__file__).with_name("by_hand.bt")
_START_SECONDS = 60
_END_SECONDS = 30
_WITH_TRACEFS = 'mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing; exec "$@"'

Tool = Callable[[], AbstractContextManager[int]]
"""Runs for a `with` block, which begins when it sees every query; gives its pid."""


@contextmanager
def _running(argv: list[str], sees: Callable[[subprocess.Popen[bytes]], bool]) -> Iterator[int]:
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: sees(process), _START_SECONDS, f"{' '.join(argv)} to begin")
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:  # bpftrace prints its maps first, which takes it minutes after a crowd
            process.kill()
            process.wait()


def _require_running(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        raise RuntimeError(f"{process.args!r} ended with status {process.returncode}")


@contextmanager
def resolvtrace() -> Iterator[int]:
    """Run the daemon."""
    with running_daemon() as daemon:
        yield daemon.pid


@contextmanager
def by_hand() -> Iterator[int]:
    """Run the script by bpftrace."""
    hooks = set(re.findall(r"^tracepoint:\w+:(\w+)", BY_HAND.read_text(), re.MULTILINE))

    def sees(process: subprocess.Popen[bytes]) -> bool:
        _require_running(process)
        attached = {one.get("tracepoint") for one in bpftool("perf", "show") if one["pid"] == process.pid}
        return hooks <= attached

    with _running(["unshare", "--mount", "sh", "-c", _WITH_TRACEFS, "sh", "bpftrace", str(BY_HAND)], sees) as pid:
        yield pid


@contextmanager
def tcpdump() -> Iterator[int]:
    """Run tcpdump, its lines going nowhere."""

    def sees(process: subprocess.Popen[bytes]) -> bool:
        _require_running(process)
        sockets = Path(f"/proc/{process.pid}/net/packet").read_text().splitlines()
        return len(sockets) > 1

    with _running(["tcpdump", "-i", "any", "-n", "port", "53"], sees) as pid:
        yield pid


TOOLS: dict[str, Tool] = {"resolvtrace": resolvtrace, "by_hand": by_hand, "tcpdump": tcpdump}
"""By the fields of :class:`benchmarks.figure.Comparison`."""
