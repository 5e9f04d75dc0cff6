"""Whatever clients send to the socket and to the web server, and whatever answers instead of a daemon."""

from __future__ import annotations

import json
import random
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.feed import client
from exporter.feed.client import NoDaemon
from exporter.feed.server import FeedServer
from exporter.web.server import WebServer
from tests.support.samples import full, running
from tests.unit.exporter.web.test_server import everything

SEED = 5
NUMBERS = [300, pytest.param(20_000, marks=pytest.mark.slow)]
WAIT = 15.0
JSON_PIECES = [
    *(b'{"want": "snapshot"', b'{"want":', b"}", b'"table"', b'"textfile"', b', "pid": 1', b"[", b"]", b"null"),
    *(b'"\\ud800"', b"\n", b"\0", b"\xff", b"{" * 2000, b" " * 4097, b'"want"', b":", b",", b"1e999"),
]
HTTP_PIECES = [
    *(b"GET ", b"HEAD ", b"POST ", b"/", b"/metrics", b"/-/ready", b"/%00", b"?"),
    *(b" HTTP/1.1", b" HTTP/1.0", b" HTTP/9.9", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00"),
    *(b"\r\n", b"\n", b"\r\n\r\n", b"Host: a", b"Content-Length: 5", b"Content-Length: -1"),
    *(b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n", b"Connection: close", b"Expect: 100-continue"),
    *(b"Authorization: Basic ////", b"Accept: ", b"Accept-Encoding: gzip", b"0" * 70_000, b"\0", b"\xff"),
]


def inputs(number: int, pieces: list[bytes]) -> Iterator[bytes]:
    """Make so many, the same each time: any bytes, and pieces of the language in any order."""
    chance = random.Random(SEED)
    for _ in range(number):
        if chance.random() < 0.2:
            yield chance.randbytes(chance.randrange(200))
        else:
            yield b"".join(chance.choices(pieces, k=chance.randrange(12)))


def answer_to(connection: socket.socket, sent: bytes) -> bytes:
    """Send, end the sending side, and give all that comes until the server hangs up."""
    with connection:
        connection.settimeout(WAIT)
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has hung up already
        return everything(connection)


@pytest.mark.parametrize("number", NUMBERS)
def test_any_request_to_the_socket(number: int) -> None:
    """One line of JSON, the form or an error; and the next client is served as ever."""
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "socket")
        with running(lambda: FeedServer.start(full, path, group="no such group")):
            for sent in inputs(number, JSON_PIECES):
                connection = socket.socket(socket.AF_UNIX)
                connection.connect(path)
                answer = answer_to(connection, sent)
                if not answer:  # turned away in the middle of a line too long: the answer may be lost with the rest
                    assert len(sent) > 4096, sent
                    continue
                (line,) = answer.splitlines()
                assert {"error"} == json.loads(line).keys() or b'"want"' in sent, sent
            assert client.fetch_json(path, WAIT)["processes"]


@pytest.mark.parametrize("number", NUMBERS)
def test_any_request_to_the_web_server(number: int) -> None:
    """HTTP or nothing, no page if none was requested, and never a failure of its own; it serves on."""
    with running(lambda: WebServer.start(full, "127.0.0.1:0")) as server:
        for sent in inputs(number, HTTP_PIECES):
            answer = answer_to(socket.create_connection(server.address), sent)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 "), sent
            assert not answer.startswith(b"HTTP/1.1 5") or answer.startswith((b"HTTP/1.1 501", b"HTTP/1.1 505")), sent
        answer = answer_to(socket.create_connection(server.address), b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ")


@settings(deadline=None, max_examples=200)
@given(st.binary() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["schema", "error", "x"]), inner),
    max_leaves=6,
).map(lambda value: json.dumps(value).encode() + b"\n"))  # fmt: skip
def test_any_answer_to_a_command(answer: bytes) -> None:
    """What is not a form of ours gives one line, and no traceback."""
    try:
        client._with("processes", client._parse(answer, "/run/x"), "/run/x")
    except NoDaemon as error:
        assert "/run/x" in str(error)
        assert len(str(error).splitlines()) == 1
