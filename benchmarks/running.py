"""A daemon to measure, and the kernel's own counters of what its programs take."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STATS = Path("/proc/sys/kernel/bpf_stats_enabled")
RESOLVTRACE = Path(sys.executable).with_name("resolvtrace")


@dataclass(frozen=True)
class RunningDaemon:
    """A daemon that is ready; ``ready_seconds`` from its start until it said so."""

    pid: int
    ready_seconds: float

    def pss_megabytes(self) -> float:
        """Give its proportional set size (proc(5), smaps_rollup)."""
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
        return int(found[1]) / 1000 if found else 0.0

    def cpu_seconds(self) -> float:
        """Give the processor time that it has taken, all its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100


@contextmanager
def running_daemon(directory: Path) -> Iterator[RunningDaemon]:
    """Run a daemon of its own for a `with` block."""
    command = [str(RESOLVTRACE), "daemon", "--config", "/dev/null", "--socket", str(directory / "socket"),
               "--state-dir", str(directory / "state"), "--web.listen-address", "127.0.0.1:0"]  # fmt: skip
    begun = time.monotonic()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    if process.stderr is None:
        raise RuntimeError("no pipe")
    for line in process.stderr:
        if "event=ready" in line:
            break
    else:
        raise RuntimeError("the daemon did not start")
    try:
        yield RunningDaemon(process.pid, time.monotonic() - begun)
    finally:
        process.terminate()
        process.stderr.close()
        process.wait(10)


@contextmanager
def kernel_statistics() -> Iterator[None]:
    """Let the kernel count runs and time of each program (sysctl kernel.bpf_stats_enabled)."""
    before = _STATS.read_text()
    _STATS.write_text("1")
    try:
        yield
    finally:
        _STATS.write_text(before)


@dataclass(frozen=True)
class Runs:
    """How often a program ran, and for how many nanoseconds in all."""

    count: int
    nanoseconds: int

    def __sub__(self, other: Runs) -> Runs:
        return Runs(self.count - other.count, self.nanoseconds - other.nanoseconds)

    @property
    def mean(self) -> float:
        """Nanoseconds a run."""
        return self.nanoseconds / self.count if self.count else 0.0


def program_runs() -> dict[str, Runs]:
    """Give the counters of every loaded program by name, which the kernel cuts at 15 characters."""
    listed = subprocess.run(["bpftool", "-j", "prog", "show"], capture_output=True, check=True, text=True)
    return {
        program["name"]: Runs(program.get("run_cnt", 0), program.get("run_time_ns", 0))
        for program in json.loads(listed.stdout)
        if "name" in program
    }
