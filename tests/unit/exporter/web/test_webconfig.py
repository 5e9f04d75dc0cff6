"""TLS and users of the web server: what the file may say, and a real server and clients that go by it."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import bcrypt
import pytest

from exporter.web.server import Limits, WebServer
from exporter.web.webconfig import WebConfig, load_web_config
from tests.support.pki import make, trusting
from tests.support.samples import full, running
from tracer.errors import ResolvtraceError

WAIT = 10
PASSWORD = "correct horse"
HASH = bcrypt.hashpw(PASSWORD.encode(), b"$2b$04$" + b"resolvtrace" * 2).decode()


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make certificates."""
    directory = tmp_path_factory.mktemp("pki")
    make(directory)
    return directory


def written(directory: Path, text: str) -> Path:
    """Write a web configuration beside the certificates."""
    file = directory / "web.yml"
    file.write_text(text)
    return file


TLS = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
CLIENTS = f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n"
USERS = f"basic_auth_users:\n  ops: {HASH}\n"


@contextmanager
def serving(config: WebConfig, limits: Limits | None = None) -> Iterator[WebServer]:
    """Run a server."""
    with running(lambda: WebServer.start(full, "127.0.0.1:0", config=config, limits=limits)) as server:
        yield server


def get(server: WebServer, context: ssl.SSLContext | None = None, user: str = "", password: str = PASSWORD) -> int:
    """Scrape; return the status."""
    headers = {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()} if user else {}
    client = (
        http.client.HTTPSConnection(*server.address, timeout=WAIT, context=context)
        if context
        else http.client.HTTPConnection(*server.address, timeout=WAIT)
    )
    try:
        client.request("GET", "/metrics", headers=headers)
        response = client.getresponse()
        response.read()
        return response.status
    finally:
        client.close()


def test_metrics_over_tls(pki: Path) -> None:
    """And in the clear nobody gets any."""
    with serving(load_web_config(written(pki, TLS))) as server:
        assert get(server, trusting(pki)) == 200
        with pytest.raises((http.client.HTTPException, OSError)):
            get(server)
        assert get(server, trusting(pki)) == 200


def test_a_connection_over_tls_serves_many_requests(pki: Path) -> None:
    """Prometheus keeps its connections."""
    with serving(load_web_config(written(pki, TLS))) as server:
        client = http.client.HTTPSConnection(*server.address, timeout=WAIT, context=trusting(pki))
        for _ in range(3):
            client.request("GET", "/metrics")
            response = client.getresponse()
            assert (response.status, len(response.read()) > 1000) == (200, True)
        client.close()


def test_clients_must_have_a_certificate_of_the_authority(pki: Path) -> None:
    """Without one, or with a stranger's, there is no answer."""
    with serving(load_web_config(written(pki, CLIENTS))) as server:
        assert get(server, trusting(pki, "client")) == 200
        for who in ("", "stranger"):
            with pytest.raises((http.client.HTTPException, OSError)):
                get(server, trusting(pki, who))
        assert get(server, trusting(pki, "client")) == 200


def test_a_client_below_the_least_version_is_refused(pki: Path) -> None:
    """TLS 1.2, if 1.3 is required."""
    old = trusting(pki)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with serving(load_web_config(written(pki, f"{TLS}  min_version: TLS13\n"))) as server:
        with pytest.raises(ssl.SSLError):
            get(server, old)
        assert get(server, trusting(pki)) == 200


def test_users_and_their_passwords(pki: Path) -> None:
    """Wrong ones are checked again; what is known right is right again; strange ones do no harm."""
    with serving(load_web_config(written(pki, USERS))) as server:
        assert get(server) == 401
        assert [get(server, user="ops") for _ in range(3)] == [200, 200, 200]
        assert get(server, user="ops", password="wrong") == 401
        assert get(server, user="nobody") == 401
        assert get(server, user="ops", password="x" * 100) == 401
        assert get(server, user="ops", password="nul\0") == 401
        assert get(server, user="ops") == 200


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic b3Bz", "Bearer x", "Basic /w==", "Basic " + "A" * 9000])
def test_rubbish_in_place_of_a_password_is_a_401(pki: Path, header: str) -> None:
    """And the server goes on."""
    with serving(load_web_config(written(pki, USERS))) as server:
        client = http.client.HTTPConnection(*server.address, timeout=WAIT)
        client.request("GET", "/", headers={"Authorization": header})
        response = client.getresponse()
        assert response.status == 401
        assert response.getheader("WWW-Authenticate") == 'Basic realm="resolvtrace"'
        client.close()


def test_headers_of_the_file_go_with_every_page(pki: Path) -> None:
    """Beside those of the page."""
    text = "http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n"
    with serving(load_web_config(written(pki, text))) as server:
        client = http.client.HTTPConnection(*server.address, timeout=WAIT)
        client.request("GET", "/-/healthy")
        assert client.getresponse().getheader("X-Frame-Options") == "deny"
        client.close()


def test_another_configuration_holds_for_the_connections_that_follow(pki: Path) -> None:
    """From the clear to TLS and back, without a new socket."""
    with serving(WebConfig()) as server:
        assert get(server) == 200
        server.config = load_web_config(written(pki, TLS + USERS))
        assert get(server, trusting(pki)) == 401
        assert get(server, trusting(pki), user="ops") == 200
        server.config = WebConfig()
        assert get(server) == 200


def test_clients_that_mean_no_good_shut_nobody_out(pki: Path) -> None:
    """Hundreds that are idle, one that never finishes its handshake, one that sends a byte now and then."""
    with serving(load_web_config(written(pki, TLS)), replace(Limits(), connections=32)) as server, ExitStack() as stack:
        for number in range(300):
            idle = stack.enter_context(socket.create_connection(server.address, timeout=WAIT))
            if number % 3 == 0:
                idle.sendall(b"\x16\x03\x01")  # the beginning of a ClientHello, RFC 8446, section 5.1
        slow = stack.enter_context(socket.create_connection(server.address, timeout=WAIT))
        for byte in b"\x16\x03\x01\x02":
            slow.sendall(bytes([byte]))
            assert get(server, trusting(pki)) == 200


def test_a_handshake_that_never_ends_is_cut_off(pki: Path) -> None:
    """As is a request."""
    limits = replace(Limits(), request_seconds=0.2)
    with (
        serving(load_web_config(written(pki, TLS)), limits) as server,
        socket.create_connection(server.address, timeout=WAIT) as client,
    ):
        client.sendall(b"\x16\x03\x01")
        with suppress(ConnectionResetError):
            assert client.recv(100) == b""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tls_server_config: [", "is not valid YAML"),
        ("- a\n", "the file is not a mapping"),
        ("tls_config: {}\n", "did you mean tls_server_config?"),
        ("tls_server_config: {cert_file: server.crt}\n", "has no key_file"),
        ("tls_server_config: {cert_file: none.crt, key_file: server.key}\n", "none.crt (No such file"),
        ("tls_server_config: {cert_file: server.crt, key_file: ca.key}\n", "are not a PEM certificate and its key"),
        ("tls_server_config: {cert_file: server.key, key_file: server.key}\n", "are not a PEM certificate and its key"),
        ("tls_server_config: {cert_file: 1, key_file: 2}\n", "cert_file is 1: must be a string"),
        (f"{TLS}  min_version: TLS10\n", "min_version is 'TLS10': must be one of TLS12, TLS13"),
        (f"{TLS}  min_version: TLS13\n  max_version: TLS12\n", "above max_version"),
        (f"{TLS}  cipher_suites: [x]\n", "'cipher_suites' in tls_server_config is not supported"),
        (f"{TLS}  client_auth_type: RequireAnyClientCert\n", "must be one of NoClientCert"),
        (f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n", "client_ca_file"),
        (f"{TLS}  client_ca_file: ca.crt\n", "set client_auth_type too"),
        (f"{TLS}  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.key\n", "has no PEM certificates"),
        ("http_server_config: {http2: true}\n", "HTTP/1.1 only"),
        ("http_server_config: {headers: {X-Odd: 1}}\n", "'X-Odd' in headers is not supported"),
        ("basic_auth_users: {ops: secret}\n", "is not a bcrypt hash: create one: htpasswd -nBC 10 ops"),
        ("basic_auth_users: {'a:b': x}\n", "is not a user name"),
        ("basic_auth_users: []\n", "is not a mapping of users"),
        (f"basic_auth_users: {{ops: {HASH.replace('$04$', '$31$')}}}\n", "cost 31"),
    ],
)
def test_a_wrong_file_is_a_clear_error(pki: Path, text: str, problem: str) -> None:
    """With the file and what to do."""
    file = written(pki, text)
    with pytest.raises(ResolvtraceError) as refused:
        load_web_config(file)
    assert str(file) in str(refused.value)
    assert problem in str(refused.value)


def test_a_key_with_a_password_is_a_clear_error(pki: Path) -> None:
    """Nobody is there to type it."""
    locked = ["openssl", "ec", "-in", "server.key", "-aes256", "-passout", "pass:x", "-out", "locked.key"]
    subprocess.run(locked, check=True, cwd=pki, capture_output=True)
    with pytest.raises(ResolvtraceError, match="has a password"):
        load_web_config(written(pki, TLS.replace("server.key", "locked.key")))


def test_an_empty_file_asks_for_nothing(pki: Path) -> None:
    """Plain HTTP, as without it."""
    assert load_web_config(written(pki, "# nothing\n")) == WebConfig()
