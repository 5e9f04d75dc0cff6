"""A daemon to measure, C programs to measure it with, and a network of the benchmarks' own."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from exporter.demo.lab import wait_until
from tests.support.building import build

RESOLVTRACE = Path(sys.executable).with_name("resolvtrace")
PROGRAMS = Path(__file__).parent / "programs"
_CLONE_NEWNET = 0x40000000
_READY = re.compile(r"event=ready address=(\S+)")
_START_SECONDS = 60


def scale() -> float:
    """Give what durations and numbers are multiplied with (BENCH_SCALE): less than 1 for trying a part out."""
    return float(os.environ.get("BENCH_SCALE", "1"))


def enter_own_network() -> None:
    """Leave the machine's network for one that has nothing but a loopback interface. Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"no network namespace of one's own: {os.strerror(number)}")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


@dataclass(frozen=True)
class RunningDaemon:
    """A daemon that is ready; ``ready_seconds`` from its start until it said so, ``address`` where it serves HTTP."""

    pid: int
    ready_seconds: float
    address: str
    log: Path

    def metrics(self) -> str:
        """Scrape /metrics."""
        with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=30) as answer:
            return str(answer.read().decode())

    def metric(self, name: str) -> float:
        """Give one series, named with its labels as they are shown."""
        return next(
            float(line.rpartition(" ")[2]) for line in self.metrics().splitlines() if line.startswith(f"{name} ")
        )


@contextmanager
def running_daemon(verdict: str = "") -> Iterator[RunningDaemon]:
    """Run a daemon of its own for a `with` block; ``verdict`` is that table of its configuration."""
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        config, log = directory / "resolvtrace.toml", directory / "log"
        config.write_text(f"[verdict]\n{verdict}")
        command = [str(RESOLVTRACE), "daemon", "--config", str(config), "--socket", str(directory / "socket"),
                   "--state-dir", str(directory / "state"), "--web.listen-address", "127.0.0.1:0"]  # fmt: skip
        begun = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(command, stderr=output, env=_compiled_once())
        try:
            found = wait_until(lambda: _ready(process, log), _START_SECONDS, "the daemon to be ready")
            yield RunningDaemon(process.pid, time.monotonic() - begun, found, log)
        finally:
            process.terminate()
            process.wait(30)


def _compiled_once() -> dict[str, str]:
    """Give an environment in which Python keeps what it compiled, as where the package is installed."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _ready(process: subprocess.Popen[bytes], log: Path) -> str | None:
    if process.poll() is not None:
        raise RuntimeError(f"the daemon did not start: {log.read_text()}")
    found = _READY.search(log.read_text())
    return found[1] if found else None


class Load:
    """A program of benchmarks/programs that works until its input ends, and counts what it has done."""

    def __init__(self, process: subprocess.Popen[str], stdin: IO[str], stdout: IO[str]) -> None:
        self.pid = process.pid
        self._stdin, self._stdout = stdin, stdout

    def done(self) -> int:
        """Ask how much it has done."""
        self._stdin.write("\n")
        self._stdin.flush()
        return int(self._stdout.readline())


@contextmanager
def load(program: str, *arguments: object) -> Iterator[Load]:
    """Run such a program for a `with` block, which begins when it says that it is ready."""
    argv = [str(build(program, programs=PROGRAMS)), *map(str, arguments)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None or process.stdout.readline() != "ready\n":
            raise RuntimeError(f"{' '.join(argv)}: not ready")
        yield Load(process, process.stdin, process.stdout)
        process.stdin.close()
