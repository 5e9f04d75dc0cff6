"""A scrape over TLS while the real daemon has clients that mean no good: it takes no longer for them."""

from __future__ import annotations

import http.client
import socket
import ssl
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.pki import make, trusting
from tests.support.tracing import Daemon, daemon

pytestmark = pytest.mark.alone

IDLE = 500
SCRAPES = 20
DELAY_SECONDS = 0.1
"""What the clients may add to a scrape."""
CAP_SECONDS = 5.0
"""No scrape takes as long, on a machine that is as slow as you like."""
CLIENT_HELLO = b"\x16\x03\x01"
"""The beginning of one: RFC 8446, section 5.1."""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Give certificates and a configuration that uses them."""
    make(tmp_path)
    (tmp_path / "web.yml").write_text("tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n")
    return tmp_path


@pytest.fixture
def running(directory: Path) -> Iterator[Daemon]:
    """Give a daemon that serves over TLS."""
    with daemon(directory / "daemon", "--web.config.file", str(directory / "web.yml")) as started:
        yield started


def address(running: Daemon) -> tuple[str, int]:
    """Say where it serves."""
    host, _, port = str(running.address).rpartition(":")
    return host, int(port)


def scrape(running: Daemon, context: ssl.SSLContext) -> float:
    """Scrape on a connection of its own; return how long that took."""
    began = time.monotonic()
    client = http.client.HTTPSConnection(*address(running), timeout=2 * CAP_SECONDS, context=context)
    client.request("GET", "/metrics")
    response = client.getresponse()
    assert (response.status, b"resolvtrace_build_info" in response.read()) == (200, True)
    client.close()
    return time.monotonic() - began


@contextmanager
def crowd(running: Daemon, context: ssl.SSLContext) -> Iterator[threading.Event]:
    """Be five hundred clients that say nothing, one that never ends its handshake, and one that sends a byte a second.

    The last two come again when they are thrown out. Gives an event: a byte was sent.
    """
    done, sent = threading.Event(), threading.Event()

    def begin_a_handshake(client: socket.socket) -> None:
        client.sendall(CLIENT_HELLO)
        while not done.is_set() and client.recv(1):
            pass

    def send_a_byte_a_second(client: socket.socket) -> None:
        with context.wrap_socket(client, server_hostname="127.0.0.1") as secure:
            for byte in b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 1000:
                secure.sendall(bytes([byte]))
                sent.set()
                if done.wait(1):
                    return

    def again_and_again(behave: Callable[[socket.socket], None]) -> None:
        while not done.is_set():
            with suppress(OSError), socket.create_connection(address(running), timeout=1) as client:
                behave(client)

    with ExitStack() as stack:
        for _ in range(IDLE):
            stack.enter_context(socket.create_connection(address(running), timeout=CAP_SECONDS))
        threads = [
            threading.Thread(target=again_and_again, args=(one,)) for one in (begin_a_handshake, send_a_byte_a_second)
        ]
        for thread in threads:
            thread.start()
        try:
            yield sent
        finally:
            done.set()
            for thread in threads:
                thread.join()


def test_a_crowd_of_clients_delays_no_scrape(directory: Path, running: Daemon) -> None:
    """Clients that only wait are put off for those that send a request."""
    context = trusting(directory)
    alone = [scrape(running, context) for _ in range(SCRAPES)]
    with crowd(running, context) as sent:
        assert sent.wait(CAP_SECONDS)
        amid = [scrape(running, context) for _ in range(SCRAPES)]
    measured = f"alone {statistics.median(alone):.3f} s, amid the crowd {statistics.median(amid):.3f} s"
    assert statistics.median(amid) < statistics.median(alone) + DELAY_SECONDS, measured
    assert max(amid) < CAP_SECONDS, measured
    print(measured)  # noqa: T201 - what was measured
