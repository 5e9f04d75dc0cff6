"""Which processes query on behalf of others: a process that serves port 53 itself, systemd-resolved, dockerd.

What such a process queries is not what resolv.conf lists, most often the other way round: resolv.conf names the
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
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tracer.identity import Identity
from tracer.observe.root_requests import read_directly
from tracer.observe.roots import RootReader
from tracer.resolvconf.view import RESOLV_CONF, View

_DNS_PORT = 53
_TCP_LISTEN = "0A"  # include/net/tcp_states.h; UDP sockets that are not connected show 07, TCP_CLOSE
_UDP_OPEN = "07"
_SHARED_SECONDS = 0.1
_EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - as others bind
_REPLACED = " (deleted)"  # what proc(5) puts behind the name of a program that was upgraded
_RESOLVED = frozenset({"systemd-resolved", "systemd-resolve"})
# systemd-resolved.service(8): its upstreams, for programs that want to query them directly.
_RESOLVED_UPSTREAMS = "/run/systemd/resolve/resolv.conf"


class Servers:
    """The sockets on port 53 of each network namespace, from /proc/PID/net (proc(5)).

    The kernel walks all its sockets for such a table, which takes milliseconds: processes that are checked together
    share one, and for no longer, since one that queries may have begun to serve just before.
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


@dataclass(frozen=True, slots=True)
class Forwarding:
    """What was seen of a process: whether it queries on behalf of others, where it serves, and by which file."""

    forwards: bool = False
    serves: frozenset[str] = frozenset()
    upstreams: View | None = None
    """The view of the file that it takes them from, if its configuration or its program tells."""


class Asker(NamedTuple):
    """A process that queries, as far as it matters here. ``read_view`` is the view that it last read, if any."""

    pid: int
    identity: Identity
    read_view: View | None
    other_files: frozenset[str]


class Forwarders:
    """Tells forwarders from clients."""

    def __init__(
        self, proc: str, see: Callable[[int, str], View | None], root_reader: RootReader = read_directly
    ) -> None:
        """``see`` gives the view of a file of that path that a process has."""
        self._proc = proc
        self._see = see
        self._root_reader = root_reader
        self._servers = Servers()

    def find(self, asker: Asker) -> Forwarding:
        """Tell whether a process forwards, and by which file."""
        identity = asker.identity
        program = posixpath.basename((identity.exe or identity.comm or "").removesuffix(_REPLACED))
        if program in _RESOLVED:
            return Forwarding(forwards=True, upstreams=self._file_of_resolved(asker))
        if program == "dockerd":
            return Forwarding(forwards=True)
        served = served_addresses(self._proc, asker.pid, self._servers)
        upstreams = self._file_of_dnsmasq(asker, served) if served and program == "dnsmasq" else None
        return Forwarding(bool(served), frozenset(served), upstreams)

    def _file_of_resolved(self, asker: Asker) -> View | None:
        """Find what it reads: resolv.conf if that is not its own, else the file to which it writes its upstreams."""
        consumed = self._see(asker.pid, RESOLV_CONF) if asker.read_view is not None else None
        if consumed is not None and not names_itself(consumed, frozenset()):
            return consumed
        return self._see(asker.pid, _RESOLVED_UPSTREAMS)

    def _file_of_dnsmasq(self, asker: Asker, served: set[str]) -> View | None:
        files: list[str] | None = None
        with suppress(OSError):
            files = self._root_reader("resolv_files", self._proc, asker.pid)
        if files is not None and files != [RESOLV_CONF]:
            return self._see(asker.pid, files[0]) if len(files) == 1 else None
        if asker.other_files:  # from a configuration that was not found
            return self._see(asker.pid, max(asker.other_files))
        if asker.read_view is not None and not names_itself(asker.read_view, frozenset(served)):
            return asker.read_view
        return None


def names_itself(view: View, served: frozenset[str]) -> bool:
    """Tell whether a resolv.conf names the forwarder: then it is its clients' file, and not where it forwards to.

    One that serves every address is named by any of the loopback interface; so is one of which it is not known.
    """
    nameservers = set(view.history.current.conf.nameservers)
    if nameservers & served:
        return True
    is_anywhere = not served or bool(served & _EVERY_ADDRESS)
    return is_anywhere and any(_is_loopback(address) for address in nameservers)


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback
