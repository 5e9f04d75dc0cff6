"""Empty programs on every hook of resolvtrace: what the counter itself reads, to be taken off.

As a program it runs until its input ends. The kernel's run counter includes its own two clock reads; a cost is quoted
above an empty program of the same run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tracer.kernel import filesystems, libbpf, programs


def _source() -> str:
    cgroup = {
        programs.BPF_PROG_TYPE_CGROUP_SKB: "struct __sk_buff",
        programs.BPF_PROG_TYPE_CGROUP_SOCK_ADDR: "struct bpf_sock_addr",
    }
    return "\n".join(
        [f"int empty_{one.name}({cgroup[one.program_type]} *ctx) {{ return 1; }}" for one in programs.CGROUP_PROGRAMS]
        + [f"TRACEPOINT_PROBE({one.category}, {one.name}) {{ return 0; }}" for one in programs.TRACEPOINTS]
    )


def main() -> None:
    """Attach them, say so, wait."""
    filesystems.require_tracefs()
    cgroup = os.open(filesystems.require_cgroup2(), os.O_RDONLY | os.O_DIRECTORY)
    os.environ["BCC_KERNEL_SOURCE"] = str(programs.SOURCE)
    import bcc  # noqa: PLC0415 - it reads the environment

    module = bcc.BPF(text=_source())
    links = []
    for one in programs.CGROUP_PROGRAMS:
        program = module.load_func(f"empty_{one.name}".encode(), one.program_type, None, one.attach_type)
        links.append(libbpf.create_link(program.fd, cgroup, one.attach_type))
    sys.stdout.write("attached\n")
    sys.stdout.flush()
    sys.stdin.read()


@contextmanager
def empty_programs() -> Iterator[int]:
    """Have them attached for a `with` block; gives the process that holds them."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.empty"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    if process.stdout is None or process.stdin is None or process.stdout.readline() != "attached\n":
        raise RuntimeError("the empty programs were not attached")
    try:
        yield process.pid
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(30)


if __name__ == "__main__":
    main()
