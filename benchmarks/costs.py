"""Nanoseconds in the kernel: a query each way, a packet that is none, an open of another file."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from benchmarks.running import Runs, program_runs

_ROUNDS = 100_000
_OPENAT = "tracepoint__sys"  # as far as the kernel keeps the name


@dataclass(frozen=True)
class Cost:
    """One figure: what was done, and the nanoseconds of all probes together above empty programs."""

    what: str
    nanoseconds: float


@contextmanager
def _empty_programs() -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.empty"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    if process.stdout is None or process.stdin is None or process.stdout.readline() != "attached\n":
        raise RuntimeError("the empty programs were not attached")
    try:
        yield
    finally:
        process.stdin.close()
        process.wait(10)


def _difference(work: Callable[[], None]) -> dict[str, Runs]:
    before = program_runs()
    work()
    after = program_runs()
    return {name: runs - before.get(name, Runs(0, 0)) for name, runs in after.items()}


def _datagrams(port: int, *, connected: bool) -> Callable[[], None]:
    def work() -> None:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source,
        ):
            sink.bind(("127.0.0.53", port))
            if connected:
                source.connect(("127.0.0.53", port))
            for _ in range(_ROUNDS):
                if connected:
                    source.send(b"q" * 32)
                else:
                    source.sendto(b"q" * 32, ("127.0.0.53", port))

    return work


def _connects() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
        for _ in range(_ROUNDS):
            source.connect(("127.0.0.53", 53))


def _opens() -> None:
    with suppress(OSError):
        for _ in range(_ROUNDS):
            os.close(os.open("/etc/hostname", os.O_RDONLY))


def measure() -> list[Cost]:
    """Measure, with the daemon running and the kernel counting."""
    with _empty_programs():
        connect = _above(_difference(_connects), "on_connect4", "empty_connect")
        send = _above(_difference(_datagrams(53, connected=True)), "on_egress", "empty_egress")
        unconnected = _difference(_datagrams(53, connected=False))
        sendto = _above(unconnected, "on_sendmsg4", "empty_sendmsg") + _above(unconnected, "on_egress", "empty_egress")
        other = _above(_difference(_datagrams(5353, connected=True)), "on_egress", "empty_egress")
        return [
            Cost("a query on a connected socket (connect and send)", connect + send),
            Cost("a further query on that socket (send)", send),
            Cost("a query to an explicit address (sendto)", sendto),
            Cost("a packet that is no DNS (egress)", other),
        ]


def _above(runs: dict[str, Runs], program: str, empty: str) -> float:
    return runs[program].mean - runs[empty].mean
