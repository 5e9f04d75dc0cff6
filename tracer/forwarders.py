"""Who asks on behalf of others: a process that serves port 53 itself, systemd-resolved, dockerd.

What such a process asks is not what resolv.conf tells it to, most often the other way round: resolv.conf names the
forwarder. It is judged by the file it takes its upstreams from, where that is known.
"""

from __future__ import annotations

import ipaddress
import os
import posixpath
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from tracer.looks import look
from tracer.process import Process
from tracer.roots import Looker
from tracer.view import RESOLV_CONF, View

_DNS_PORT = 53
_TCP_LISTEN = "0A"  # include/net/tcp_states.h; UDP sockets that are not connected show 07, TCP_CLOSE
_UDP_OPEN = "07"
_SHARED_SECONDS = 0.1
_REPLACED = " (deleted)"  # what proc(5) puts behind the name of a program that was upgraded
_RESOLVED = frozenset({"systemd-resolved", "systemd-resolve"})
# systemd-resolved.service(8): its upstreams, for programs that want to ask them directly.
_RESOLVED_UPSTREAMS = "/run/systemd/resolve/resolv.conf"


class Servers:
    """The sockets on port 53 of each network namespace, from /proc/PID/net (proc(5)).

    The kernel walks all its sockets for such a table, which takes milliseconds: processes that are looked at together
    share one, and for no longer, since one that asks may have begun to serve just before.
    """

    def __init__(self) -> None:
        self._known: dict[int, dict[str, str]] = {}
        self._read = float("-inf")

    def sockets(self, proc: str, pid: int) -> dict[str, str]:
        """Give the address of each, by what a descriptor of it links to."""
        if time.monotonic() - self._read > _SHARED_SECONDS:
            self._known.clear()
            self._read = time.monotonic()
        try:
            namespace = os.stat(f"{proc}/{pid}/ns/net").st_ino
        except OSError:  # it is gone
            return {}
        if namespace not in self._known:
            tables = _tables(proc, pid)
            self._known[namespace] = {inode: address for table in tables for inode, address in table}
        return self._known[namespace]


def served_addresses(proc: str, pid: int, servers: Servers) -> set[str]:
    """Give the addresses on which a process serves port 53, by its descriptors (proc(5))."""
    sockets = servers.sockets(proc, pid)
    if not sockets:
        return set()
    found = set()
    with suppress(OSError):
        for descriptor in os.scandir(f"{proc}/{pid}/fd"):
            with suppress(OSError):
                target = os.readlink(descriptor.path)
                if target in sockets:
                    found.add(sockets[target])
    return found


def _tables(proc: str, pid: int) -> Iterator[list[tuple[str, str]]]:
    for name, state in (("udp", _UDP_OPEN), ("udp6", _UDP_OPEN), ("tcp", _TCP_LISTEN), ("tcp6", _TCP_LISTEN)):
        with suppress(OSError):
            yield list(_listeners(Path(f"{proc}/{pid}/net/{name}").read_text(), state))


def _listeners(table: str, state: str) -> Iterator[tuple[str, str]]:
    for line in table.splitlines()[1:]:
        fields = line.split()
        address, _, port = fields[1].rpartition(":")
        if int(port, 16) == _DNS_PORT and fields[3] == state:
            yield f"socket:[{fields[9]}]", _address(address)


def _address(digits: str) -> str:
    """Read an address as /proc/net writes it: words of 32 bits in the machine's byte order."""
    words = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return str(ipaddress.ip_address(packed))


class Forwarders:
    """Tells forwarders from clients."""

    def __init__(self, proc: str, see: Callable[[int, str], View | None], looker: Looker = look) -> None:
        """``see`` gives the view of a file of that path that a process has."""
        self._proc = proc
        self._see = see
        self._looker = looker
        self._servers = Servers()

    def upstreams(self, process: Process) -> View | bool:
        """Tell whether it forwards: False, the view it takes its upstreams from, or True where that is not known."""
        program = posixpath.basename((process.identity.exe or process.identity.comm or "").removesuffix(_REPLACED))
        if program in _RESOLVED:
            return self._file_of_resolved(process) or True
        if program == "dockerd":
            return True
        served = served_addresses(self._proc, process.pid, self._servers)
        return bool(served) and (program != "dnsmasq" or self._file_of_dnsmasq(process, served) or True)

    def _file_of_resolved(self, process: Process) -> View | None:
        """Find what it reads: resolv.conf where that is not its own, else what it writes down of whom it asks."""
        consumed = self._see(process.pid, RESOLV_CONF) if process.reads else None
        if consumed is not None and not _names_itself(consumed, set()):
            return consumed
        return self._see(process.pid, _RESOLVED_UPSTREAMS)

    def _file_of_dnsmasq(self, process: Process, served: set[str]) -> View | None:
        files: list[str] | None = None
        with suppress(OSError):
            files = self._looker("resolv_files", self._proc, process.pid)
        if files is not None and files != [RESOLV_CONF]:
            return self._see(process.pid, files[0]) if len(files) == 1 else None
        if process.other_files:  # from a configuration that was not found
            return self._see(process.pid, max(process.other_files))
        if process.reads and process.read_view is not None and not _names_itself(process.read_view, served):
            return process.read_view
        return None


def _names_itself(view: View, served: set[str]) -> bool:
    nameservers = set(view.history.current.conf.nameservers)
    return bool(nameservers & served) or any(_is_loopback(address) for address in nameservers)


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback
