"""The TCP socket the web server listens on, from ``HOST:PORT``."""

from __future__ import annotations

import errno
import re
import socket

__all__ = ["ListenError", "listen", "parse_address"]

_ADDRESS = re.compile(r"(?:\[(?P<literal>[^\]]*)\]|(?P<host>[^:\[\]]*)):(?P<port>\d{1,5})", re.ASCII)
_HIGHEST_PORT = 0xFFFF
_BACKLOG = 128


class ListenError(Exception):
    """The address cannot be listened on; the message says why and what to do."""


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``, ``[IPV6]:PORT`` or ``:PORT`` (every interface: the host is empty).

    Raises ListenError where it is none of them.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > _HIGHEST_PORT:
        raise ListenError(f"{text!r} is no address to listen on: write HOST:PORT, [IPV6]:PORT or :PORT")
    return match["literal"] or match["host"] or "", int(match["port"])


def listen(address: str) -> socket.socket:
    """Return a listening socket: the first that ``HOST`` resolves to; port 0 lets the kernel choose one.

    Raises ListenError.
    """
    host, port = parse_address(address)
    try:
        if host:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            family, _, _, _, where = found[0]
            listener = socket.create_server(where, family=family, backlog=_BACKLOG)
        elif socket.has_dualstack_ipv6():
            listener = socket.create_server(("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True)
        else:
            listener = socket.create_server(("", port), backlog=_BACKLOG)
    except OSError as error:
        raise ListenError(f"cannot listen on {address}: {_explain(error, port)}") from error
    listener.setblocking(False)
    return listener


def _explain(error: OSError, port: int) -> str:
    if isinstance(error, socket.gaierror):
        return f"the host name does not resolve ({error.strerror})"
    match error.errno:
        case errno.EADDRINUSE:
            return (
                "the port is in use; choose another with --web.listen-address, "
                f"or see who has it: ss -ltnp 'sport = :{port}'"
            )
        case errno.EADDRNOTAVAIL:
            return "no interface of this machine has that address"
        case errno.EACCES:
            return "not permitted; ports below 1024 need CAP_NET_BIND_SERVICE"
        case _:
            return str(error.strerror or error)
