"""The web server over real sockets: its pages, and clients that mean no good."""

from __future__ import annotations

import http.client
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from structlog.testing import capture_logs

from exporter.web.listen import parse_address
from exporter.web.server import Limits, WebServer
from tests.support.samples import full, process, running, snapshot
from tracer.errors import ResolvtraceError
from tracer.kernel.health import ProbeHealth
from tracer.report.snapshot import Health, Snapshot
from tracer.verdict.states import State

ANY_PORT = "127.0.0.1:0"
WAIT = 5


def serving(
    latest: Callable[[], Snapshot] = full, address: str = ANY_PORT, path: str = "/metrics", limits: Limits | None = None
) -> AbstractContextManager[WebServer]:
    """Run a server for the block."""
    return running(lambda: WebServer.start(latest, address, telemetry_path=path, limits=limits))


def get(server: WebServer, target: str, method: str = "GET", accept: str = "") -> tuple[http.client.HTTPResponse, str]:
    """Ask for a page on a connection of its own."""
    client = http.client.HTTPConnection(*server.address, timeout=WAIT)
    try:
        client.request(method, target, headers={"Accept": accept} if accept else {})
        response = client.getresponse()
        return response, response.read().decode()
    finally:
        client.close()


@pytest.fixture
def server() -> Iterator[WebServer]:
    """Serve the full snapshot."""
    with serving() as own:
        yield own


def connect(server: WebServer, sent: bytes = b"") -> socket.socket:
    """Open a raw connection and send something."""
    client = socket.create_connection(server.address, timeout=WAIT)
    client.sendall(sent)
    return client


def everything(client: socket.socket) -> bytes:
    """Read until the server closes, however it does."""
    received = b""
    try:
        while chunk := client.recv(65536):
            received += chunk
    except ConnectionResetError:
        pass
    return received


def test_metrics_in_the_format_that_was_asked_for(server: WebServer) -> None:
    """Prometheus names OpenMetrics first; curl takes what it gets."""
    response, body = get(server, "/metrics")
    assert response.getheader("Content-Type", "").startswith("text/plain; version=0.0.4")
    assert "# TYPE resolvtrace_queries_total counter" in body
    response, body = get(server, "/metrics", accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert response.getheader("Content-Type", "").startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith("# EOF\n")


@pytest.mark.parametrize(
    "accept", ["text/plain;version=x", "application/openmetrics-text;version=1.x", "\xff", ",;,=", ""]
)
def test_an_odd_accept_header_does_no_harm(server: WebServer, accept: str) -> None:
    """The client's version is compared with numbers, whatever it is."""
    response, body = get(server, "/metrics", accept=accept)
    assert response.status == 200
    assert "resolvtrace_stale_processes" in body


@pytest.mark.parametrize(
    "target", ["/nothing", "/metrics/", "/-/", "//", "/..", "*", "http://host/metrics", "/%6detrics"]
)
def test_everything_else_is_not_found(server: WebServer, target: str) -> None:
    """Only the pages of the contract are there."""
    assert get(server, target)[0].status == 404


def test_a_query_string_changes_nothing(server: WebServer) -> None:
    """Prometheus may add parameters."""
    assert get(server, "/metrics?x=1")[0].status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_only_get_and_head_are_allowed(server: WebServer, method: str) -> None:
    """On every path."""
    response, _ = get(server, "/metrics", method)
    assert (response.status, response.getheader("Allow")) == (405, "GET, HEAD")


def test_head_has_the_headers_and_no_body(server: WebServer) -> None:
    """The length is that of the page."""
    response, body = get(server, "/-/healthy", "HEAD")
    assert (response.status, response.getheader("Content-Length"), body) == (200, "8", "")


def test_ready_follows_the_probes() -> None:
    """503 until every required probe is attached, and it says which is missing."""
    value = snapshot(ready=False, health=Health(probes=(ProbeHealth("egress", False), ProbeHealth("openat", True))))
    with serving(lambda: value) as server:
        response, body = get(server, "/-/ready")
        assert (response.status, body) == (503, "not ready; probes not attached: egress\n")
        assert get(server, "/-/healthy")[0].status == 200
        value = replace(value, ready=True)
        assert get(server, "/-/ready")[0].status == 200


def test_the_landing_page_shows_the_host_and_the_flag() -> None:
    """Nameservers, the count, and a link to wherever the metrics are; nothing in it is markup but ours."""
    host = replace(snapshot().views[0], nameservers=("fe80::1%<b>",))
    stale = process(1, State.STALE, command=("getip", "--password=secret"))
    value = snapshot(stale, process(2, State.STALE, owner=1, worker=True), views=(host,))
    with serving(lambda: value, path='/m"e') as server:
        response, body = get(server, "/")
        assert response.getheader("Content-Type") == "text/html; charset=utf-8"
        assert "fe80::1%&lt;b&gt;" in body
        assert 'href="/m&quot;e"' in body
        assert "1 process is stale: it queries a nameserver" in body
        assert "secret" not in body


class Tags(HTMLParser):
    """The tags of a page, and what they refer to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in {"src", "href", "action", "data"}]


def test_the_landing_page_refers_to_this_server_alone() -> None:
    """No script, no form, nothing from elsewhere; a browser gets headers that say so, and to keep no copy."""
    with serving(full) as server:
        response, body = get(server, "/")
    found = Tags(body)
    assert not {"script", "form", "iframe", "object", "img"} & set(found.tags)
    assert found.references == ["data:,", "/metrics", "/-/healthy", "/-/ready"]
    policy = response.getheader("Content-Security-Policy") or ""
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert response.getheader("Cache-Control") == "no-store"
    assert response.getheader("X-Content-Type-Options") == "nosniff"


def test_the_landing_page_shows_fifty_groups_and_tells_of_the_rest() -> None:
    """Nobody has to load ten thousand rows."""
    many = [process(pid, State.STALE, f"p{pid}") for pid in range(100, 400)]
    with serving(lambda: snapshot(*many)) as server:
        _, body = get(server, "/")
    assert "300 processes are stale" in body
    assert body.count("<td>p") == 50
    assert "<td>~other</td><td>~other</td><td>~other</td><td>250</td>" in body


def test_the_telemetry_path_is_where_the_metrics_are() -> None:
    """And nowhere else."""
    with serving(path="/telemetry") as server:
        assert get(server, "/telemetry")[0].status == 200
        assert get(server, "/metrics")[0].status == 404


def test_a_page_that_fails_is_a_500() -> None:
    """The server logs why, and goes on."""
    with capture_logs() as logs, serving(lambda: snapshot(views=None)) as server:
        assert get(server, "/metrics")[0].status == 500
        assert get(server, "/-/healthy")[0].status == 200
    assert [(line["event"], line["target"]) for line in logs] == [("page failed", b"/metrics")]


def test_a_connection_serves_many_requests(server: WebServer) -> None:
    """Prometheus keeps its connection, and a client may even send two requests at once."""
    client = http.client.HTTPConnection(*server.address, timeout=WAIT)
    for _ in range(3):
        client.request("GET", "/-/healthy")
        assert client.getresponse().read() == b"healthy\n"
    client.close()
    one = b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n"
    with connect(server, one + b"\r\n" + one + b"Connection: close\r\n\r\n") as raw:
        assert everything(raw).count(b"200 OK") == 2


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"rubbish\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000, b"431"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n", b"405"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123", b"200"),
    ],
)
def test_rubbish_is_answered_and_the_connection_closed(server: WebServer, sent: bytes, status: bytes) -> None:
    """Neither a body nor the rest of a header is waited for."""
    with connect(server, sent) as client:
        answer = everything(client)
    assert answer.split()[1] == status
    assert b"connection: close" in answer.lower()
    assert get(server, "/-/healthy")[0].status == 200


def test_a_slow_client_delays_nobody_and_is_cut_off() -> None:
    """Its own deadline is for the whole request, however it trickles in."""
    with serving(limits=Limits(request_seconds=0.3)) as server, connect(server, b"GET / HT") as slow:
        assert get(server, "/-/healthy")[0].status == 200
        assert everything(slow) == b""


def test_a_client_that_never_reads_is_cut_off() -> None:
    """The answer is bigger than the kernel's buffers; the deadline holds while it is written."""
    many = snapshot(process(1), health=Health(lost={f"{'reason' * 1000}{n}": 1 for n in range(2000)}))
    with serving(lambda: many, limits=Limits(request_seconds=0.5)) as server, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(WAIT)
        client.connect(server.address)
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        assert get(server, "/-/healthy")[0].status == 200
        wait_until_closed_by_peer(client)


def wait_until_closed_by_peer(client: socket.socket) -> None:
    """Wait for the reset, without reading what is in the buffer."""
    poll = select.poll()
    poll.register(client, 0)
    assert poll.poll(WAIT * 1000), "the server kept a client that does not read"


def test_an_idle_connection_is_closed() -> None:
    """After an answer there is a deadline for the next request."""
    limits = Limits(idle_seconds=0.2)
    with serving(limits=limits) as server, connect(server, b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n") as client:
        assert everything(client).endswith(b"healthy\n")


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_too_many_connections_shut_nobody_out(sent: bytes) -> None:
    """Whoever has kept the server waiting longest makes room."""
    with serving(limits=Limits(connections=4)) as server:
        idle = [connect(server, sent) for _ in range(4)]
        if sent.endswith(b"\n"):
            assert all(client.recv(65536) for client in idle)
        assert get(server, "/-/healthy")[0].status == 200
        assert everything(idle[0]) == b""
        for client in idle:
            client.close()


def test_a_crowd_that_comes_at_once_is_bounded_too() -> None:
    """However many stand before the door when the server looks up: they make room for each other."""
    gate = threading.Event()

    def held_up() -> Snapshot:
        assert gate.wait(WAIT)
        return full()

    with serving(held_up, limits=Limits(connections=4)) as server:
        crowd = [connect(server, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")]
        crowd += [connect(server) for _ in range(20)]
        gate.set()
        assert get(server, "/-/healthy")[0].status == 200
        for client in crowd:
            client.close()


def test_closing_ends_open_connections() -> None:
    """The daemon's exit does not wait for its clients."""
    with serving() as server:
        client = connect(server, b"GET / HT")
        get(server, "/")  # the server takes its clients in order: now it has the first
    with client:
        assert everything(client) == b""


def test_a_port_in_use_is_a_clear_error(server: WebServer) -> None:
    """It says what and what to do."""
    address = ":".join(map(str, server.address))
    message = r"cannot listen on 127\.0\.0\.1:\d+: the port is in use: choose another"
    with pytest.raises(ResolvtraceError, match=message), serving(address=address):
        pass


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("203.0.113.1:0", "no interface of this machine"),
        ("nowhere.invalid:0", "does not resolve"),
        ("10953", "write HOST:PORT"),
        ("::1:10953", "write HOST:PORT"),
        ("a:65536", "write HOST:PORT"),
        ("a:b", "write HOST:PORT"),
    ],
)
def test_a_bad_address_is_a_clear_error(address: str, message: str) -> None:
    """One line, before anything is served."""
    with pytest.raises(ResolvtraceError, match=message), serving(address=address):
        pass


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:0", ("::1", 0)), (":10953", ("", 10953)), ("[::]:1", ("::", 1))],
)
def test_addresses_to_listen_on(text: str, address: tuple[str, int]) -> None:
    """As Prometheus' own programs take them."""
    assert parse_address(text) == address


def test_an_empty_host_is_every_interface() -> None:
    """IPv4 and IPv6, on one port."""
    with serving(address=":0") as server:
        hosts = ["127.0.0.1", "::1"] if socket.has_dualstack_ipv6() else ["127.0.0.1"]
        for host in hosts:
            with socket.create_connection((host, server.address[1]), timeout=WAIT) as client:
                client.sendall(b"GET /-/healthy HTTP/1.0\r\n\r\n")
                assert everything(client).endswith(b"healthy\n")
