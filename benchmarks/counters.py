"""The kernel's own counters of what programs take, by the hook that they are on."""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BPF_STATS_RUN_TIME = 0
_CGROUP_KINDS = frozenset({"cgroup_skb", "cgroup_sock_addr"})


@dataclass(frozen=True)
class Runs:
    """How often a program ran, and for how many nanoseconds in all."""

    count: int = 0
    nanoseconds: int = 0

    def __sub__(self, other: Runs) -> Runs:
        return Runs(self.count - other.count, self.nanoseconds - other.nanoseconds)

    @property
    def mean(self) -> float:
        """Nanoseconds a run."""
        return self.nanoseconds / self.count if self.count else 0.0


@contextmanager
def kernel_statistics() -> Iterator[None]:
    """Let the kernel count runs and time of each program, as sysctl kernel.bpf_stats_enabled does.

    By a descriptor (bpf(2), BPF_ENABLE_STATS), which goes with the process. Raises OSError.
    """
    descriptor = ctypes.CDLL("libbpf.so.1").bpf_enable_stats(_BPF_STATS_RUN_TIME)
    if descriptor < 0:
        raise OSError(-descriptor, os.strerror(-descriptor))
    try:
        yield
    finally:
        os.close(descriptor)


def bpftool(*words: str) -> list[Any]:
    """Run bpftool and return its JSON."""
    done = subprocess.run(["bpftool", "-j", *words], capture_output=True, check=True, text=True)
    return list(json.loads(done.stdout))


def held(pid: int, kind: str) -> set[int]:
    """Give the numbers of the programs (``prog``) or maps (``map``) that a process has descriptors of."""
    numbers = set()
    for descriptor in Path(f"/proc/{pid}/fdinfo").iterdir():
        with suppress(FileNotFoundError):
            found = re.findall(rf"^{kind}_id:\t(\d+)", descriptor.read_text(), re.MULTILINE)
            numbers |= {int(number) for number in found}
    return numbers


class Counters:
    """The programs of one process. It must not attach others afterwards."""

    def __init__(self, pid: int) -> None:
        """Find them: on cgroups by their names, which end in the hook's, on tracepoints by what the kernel says."""
        numbers = held(pid, "prog")
        self._hooks = {
            one["id"]: one["name"].partition("_")[2]
            for one in bpftool("prog", "show")
            if one["id"] in numbers and one["type"] in _CGROUP_KINDS
        }
        for one in bpftool("perf", "show"):
            if one["pid"] == pid and "tracepoint" in one:
                self._hooks[one["prog_id"]] = one["tracepoint"]

    def read(self) -> dict[str, Runs]:
        """Give what each has counted so far, by hook."""
        return {
            self._hooks[one["id"]]: Runs(one.get("run_cnt", 0), one.get("run_time_ns", 0))
            for one in bpftool("prog", "show")
            if one["id"] in self._hooks
        }
