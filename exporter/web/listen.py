"""The TCP socket that the web server listens on, from ``HOST:PORT``."""

from __future__ import annotations

import errno
import re
import socket

from tracer.errors import ResolvtraceError

__all__ = ["check_host", "listen", "parse_address"]

_ADDRESS = re.compile(r"(?:\[(?P<literal>[^\]]*)\]|(?P<host>[^:\[\]]*)):(?P<port>\d{1,5})", re.ASCII)
_HIGHEST_PORT = 0xFFFF
_BACKLOG = 128


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``, ``[IPV6]:PORT`` or ``:PORT`` (every interface: the host is empty).

    Raises ResolvtraceError for anything else.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > _HIGHEST_PORT:
        raise ResolvtraceError(f"{text!r} is not an address to listen on", "write HOST:PORT, [IPV6]:PORT or :PORT")
    return match["literal"] or match["host"] or "", int(match["port"])


def listen(address: str) -> socket.socket:
    """Return a listening socket on the first address that ``HOST`` resolves to; the kernel chooses for port 0.

    Raises ResolvtraceError.
    """
    host, port = parse_address(address)
    listener = _listen(address, host, port)
    listener.setblocking(False)
    return listener


def check_host(address: str) -> None:
    """Check that the host of ``HOST:PORT`` resolves, and is an address of this machine. Raises ResolvtraceError."""
    host, _ = parse_address(address)
    _listen(address, host, 0).close()


def _listen(address: str, host: str, port: int) -> socket.socket:
    try:
        if host:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            family, _, _, _, where = found[0]
            return socket.create_server(where, family=family, backlog=_BACKLOG)
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True)
        return socket.create_server(("", port), backlog=_BACKLOG)
    except (OSError, UnicodeError) as error:
        why, remedy = _explain(error, port)
        raise ResolvtraceError(f"cannot listen on {address}: {why}", remedy) from error


def _explain(error: OSError | UnicodeError, port: int) -> tuple[str, str]:
    if isinstance(error, UnicodeError):
        return "the host name is not valid", "use an address of this machine"
    if isinstance(error, socket.gaierror):
        return f"the host name does not resolve ({error.strerror})", "use an address of this machine"
    match error.errno:
        case errno.EADDRINUSE:
            return "the port is in use", f"choose another port, or see who has it: ss -ltnp 'sport = :{port}'"
        case errno.EADDRNOTAVAIL:
            return "no interface of this machine has that address", "see ip address, or use :PORT for every interface"
        case errno.EACCES:
            return "permission denied", "choose a port from 1024, or add CAP_NET_BIND_SERVICE"
        case _:
            return str(error.strerror or error), "choose another address"
