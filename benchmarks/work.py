"""What is done again and again while the kernel counts: a query each way, and what is none."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_ADDRESS = "127.0.0.53"
_DNS, _OTHER = 53, 5353
_QUERY = b"q" * 32
_FILE = "/etc/hostname"
_AT_ONCE = 100
"""Datagrams that a socket's buffer has room for."""


@dataclass(frozen=True, slots=True)
class Work:
    """``run`` does it so many times. ``hook``: the only one that counts, if what leads to it runs other programs."""

    what: str
    run: Callable[[int], None]
    hook: str | None = None


@contextmanager
def _sockets(port: int) -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink, socket.socket(
        socket.AF_INET, socket.SOCK_DGRAM
    ) as source:  # fmt: skip
        sink.bind((_ADDRESS, port))
        yield sink, source


def _connect_and_send(times: int) -> None:
    with _sockets(_DNS) as (_, source):
        for _ in range(times):
            source.connect((_ADDRESS, _DNS))
            source.send(_QUERY)


def send(times: int) -> None:
    """Send queries on one connected socket."""
    _send_to(_DNS, times)


def send_no_dns(times: int) -> None:
    """Send packets that are no DNS, likewise."""
    _send_to(_OTHER, times)


def _send_to(port: int, times: int) -> None:
    with _sockets(port) as (_, source):
        source.connect((_ADDRESS, port))
        for _ in range(times):
            source.send(_QUERY)


def sendto(times: int) -> None:
    """Send queries to an explicit address."""
    with _sockets(_DNS) as (_, source):
        for _ in range(times):
            source.sendto(_QUERY, (_ADDRESS, _DNS))


def open_other(times: int) -> None:
    """Open a file that is not resolv.conf."""
    for _ in range(times):
        os.close(os.open(_FILE, os.O_RDONLY))


def connect(times: int) -> None:
    """Connect a socket of AF_INET, and send nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
        for _ in range(times):
            source.connect((_ADDRESS, _OTHER))


def _sockets_and_options(times: int) -> None:
    for _ in range(times):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def _receive(times: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.setblocking(False)
        for _ in range(times):
            try:
                one.recv(512)
            except BlockingIOError:
                continue


def receive_answers(times: int) -> None:
    """Receive answers with their sender's address, on one connected socket that sends a query now and then."""
    _receive_from(_DNS, times)


def receive_no_dns(times: int) -> None:
    """Receive datagrams that are no DNS, likewise."""
    _receive_from(_OTHER, times)


def _receive_from(port: int, times: int) -> None:
    with _sockets(port) as (server, client):
        client.connect((_ADDRESS, port))
        for begun in range(0, times, _AT_ONCE):
            client.send(_QUERY)
            number = min(_AT_ONCE, times - begun)
            for _ in range(number):
                server.sendto(_QUERY, client.getsockname())
            for _ in range(number):
                client.recvfrom(512)


QUERY = Work("a query on a fresh connection (connect and send)", _connect_and_send)
SEND = Work("a further query on that socket (send)", send)
SENDTO = Work("a query to an explicit address (sendto)", sendto)
NO_DNS = Work("an egress packet that is no DNS", send_no_dns)
OPEN = Work("an openat of another file", open_other)
CONNECT = Work("a connect to another port (AF_INET)", connect)
SOCKET = Work("socket, setsockopt, close", _sockets_and_options)
RECEIVE = Work("recv", _receive)
ANSWER = Work("an answer received with its sender's address (recvfrom)", receive_answers, "recvmsg4")
NO_ANSWER = Work("a datagram that is no DNS, received likewise", receive_no_dns, "recvmsg4")
