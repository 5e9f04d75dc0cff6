"""TCP connections to nameservers that were open before the programs were: whose they are.

UDP needs no such thing: a datagram leaves in its sender's own context. A TCP segment may leave in any, so it is
attributed through the socket's cookie, which the connect program notes; for older sockets it is read here, by
sock_diag(7), and the socket's inode leads to its process through /proc/PID/fd (proc(5)).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pyroute2 import DiagSocket

from tracer.kernel import libbpf, records
from tracer.libc import LIBC

_PORTS = frozenset({53, 853})
_CLONE_NEWNET = 0x40000000


def _network_namespaces(proc: Path) -> Iterator[int]:
    """Enter each network namespace in turn (this one first); those that may not be entered are left out."""
    seen = set()
    for entry in ("self", *(name.name for name in proc.iterdir() if name.name.isdigit())):
        with suppress(OSError):
            namespace = os.open(proc / entry / "ns/net", os.O_RDONLY)
            inode = os.fstat(namespace).st_ino
            if inode not in seen:
                seen.add(inode)
                if entry == "self" or LIBC.setns(namespace, _CLONE_NEWNET) == 0:
                    yield inode
            os.close(namespace)


def _dns_connections() -> Iterator[tuple[int, int]]:
    """Give (inode, cookie) of each TCP socket of this network namespace that is connected to a DNS port.

    None if the kernel has no tcp_diag (a module), which it says by a message of another kind.
    """
    for family in (socket.AF_INET, socket.AF_INET6):
        with DiagSocket() as diagnosis:
            diagnosis.bind()
            for message in diagnosis.get_sock_stats(family=family, protocol=socket.IPPROTO_TCP):
                if message.get("idiag_dport") in _PORTS and message["idiag_inode"]:
                    cookie = message["idiag_cookie"]
                    yield message["idiag_inode"], cookie if isinstance(cookie, int) else cookie[0] | cookie[1] << 32


def _owners(inodes: set[int], proc: Path) -> Iterator[tuple[int, int]]:
    """Give (inode, pid) for each process that holds one of these sockets, lowest pid first."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    for entry in sorted((name for name in proc.iterdir() if name.name.isdigit()), key=lambda name: int(name.name)):
        with suppress(OSError):
            for descriptor in os.scandir(entry / "fd"):
                with suppress(OSError):
                    inode = wanted.get(os.readlink(descriptor.path))
                    if inode:
                        yield inode, int(entry.name)


def adopt(processes: libbpf.Map, connectors: libbpf.Map, proc: Path = Path("/proc")) -> int:
    """Enter every open connection with its process into the map `connectors`; gives how many.

    Leaves this thread in another network namespace. A socket that several processes hold goes to the lowest pid if
    they share a resolver state, as a parent and its forked workers do. If not, nobody can know any more who connected
    it, and it is not entered: its segments count as lost.
    """
    cookies = {inode: cookie for _ in _network_namespaces(proc) for inode, cookie in _dns_connections()}
    if not cookies:
        return 0
    holders: dict[int, list[records.Connector]] = {}
    for inode, pid in _owners(set(cookies), proc):
        entry = processes.get(pid.to_bytes(4, "little"))
        if entry is not None:
            process = records.parse_process(entry)
            holders.setdefault(inode, []).append(
                records.Connector(process.birth, process.res_state_id, pid, process.execs)
            )
    return sum(
        connectors.put(cookies[inode].to_bytes(8, "little"), records.pack_connector(those[0]), libbpf.NO_EXIST)
        for inode, those in holders.items()
        if len({one.res_state_id for one in those}) == 1
    )
