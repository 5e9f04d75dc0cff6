"""Empty programs of each kind: what the counter itself reads, to be taken off. Runs until its input ends.

The kernel's run counter includes its own two clock reads; a cost is quoted above an empty program of the same run.
"""

from __future__ import annotations

import os
import sys

from tracer.kernel import filesystems, libbpf, programs

_SOURCE = """
int empty_egress(struct __sk_buff *skb) { return 1; }
int empty_sendmsg(struct bpf_sock_addr *ctx) { return 1; }
int empty_connect(struct bpf_sock_addr *ctx) { return 1; }
TRACEPOINT_PROBE(syscalls, sys_enter_openat) { return 0; }
"""
_CGROUP = (
    ("empty_egress", programs.BPF_PROG_TYPE_CGROUP_SKB, 1),
    ("empty_sendmsg", programs.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 14),
    ("empty_connect", programs.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 10),
)


def main() -> None:
    """Attach them, say so, wait."""
    filesystems.require_tracefs()
    cgroup = os.open(filesystems.require_cgroup2(), os.O_RDONLY | os.O_DIRECTORY)
    os.environ["BCC_KERNEL_SOURCE"] = str(programs.SOURCE)
    import bcc  # noqa: PLC0415 - it reads the environment

    module = bcc.BPF(text=_SOURCE)
    links = []
    for function, program_type, attach_type in _CGROUP:
        program = module.load_func(function.encode(), program_type, None, attach_type)
        links.append(libbpf.create_link(program.fd, cgroup, attach_type))
    sys.stdout.write("attached\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
