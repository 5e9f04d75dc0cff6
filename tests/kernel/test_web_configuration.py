"""--web.config.file with the real daemon: wrong ones are refused, at its start and while it runs."""

from __future__ import annotations

import base64
import http.client
import shutil
import signal
import ssl
import subprocess
from pathlib import Path

import bcrypt
import pytest

from exporter.demo.lab import wait_until
from tests.support.pki import make, trusting
from tests.support.tracing import RESOLVTRACE, Daemon, daemon

PASSWORD = "correct horse"


def users(password: str = PASSWORD) -> str:
    """Write a configuration with one user."""
    return f"basic_auth_users:\n  ops: {bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n"


def status(running: Daemon, password: str = "") -> int:
    """Scrape; return the status."""
    headers = {"Authorization": "Basic " + base64.b64encode(f"ops:{password}".encode()).decode()} if password else {}
    client = http.client.HTTPConnection(running.address or "", timeout=30)
    try:
        client.request("GET", "/metrics", headers=headers)
        return client.getresponse().status
    finally:
        client.close()


def reload(running: Daemon, file: Path, text: str, message: str) -> None:
    """Give it another file, and wait until it says so much."""
    before = running.log().count(message)
    file.write_text(text)
    running.process.send_signal(signal.SIGHUP)
    wait_until(lambda: running.log().count(message) > before, 5, message)


def test_a_wrong_file_leaves_the_old_one_in_force(tmp_path: Path) -> None:
    """SIGHUP re-reads it; what it says then holds, if it is right."""
    file = tmp_path / "web.yml"
    file.write_text(users())
    with daemon(tmp_path, "--web.config.file", str(file)) as running:
        assert (status(running), status(running, PASSWORD)) == (401, 200)
        reload(running, file, "basic_auth_users: {ops: plain}\n", "configuration not reloaded")
        assert "is not a bcrypt hash" in running.log()
        assert (status(running), status(running, PASSWORD)) == (401, 200)
        reload(running, file, users("another"), "configuration reloaded")
        assert (status(running, PASSWORD), status(running, "another")) == (401, 200)
        reload(running, file, "", "configuration reloaded")
        assert status(running) == 200


def shown(running: Daemon, directory: Path) -> str:
    """Give the certificate, in PEM, that the daemon shows to a client that trusts the authority."""
    client = http.client.HTTPSConnection(running.address or "", timeout=30, context=trusting(directory))
    client.connect()
    try:
        assert isinstance(client.sock, ssl.SSLSocket)
        return ssl.DER_cert_to_PEM_cert(client.sock.getpeercert(binary_form=True) or b"")
    finally:
        client.close()


def test_a_renewed_certificate_is_taken_and_a_broken_one_is_not(tmp_path: Path) -> None:
    """The file names them; SIGHUP reads them too."""
    make(tmp_path)
    for kind in ("crt", "key"):
        shutil.copy(tmp_path / f"server.{kind}", tmp_path / f"used.{kind}")
    file = tmp_path / "web.yml"
    text = "tls_server_config:\n  cert_file: used.crt\n  key_file: used.key\n"
    file.write_text(text)
    with daemon(tmp_path / "daemon", "--web.config.file", str(file)) as running:
        assert shown(running, tmp_path) == (tmp_path / "server.crt").read_text()
        shutil.copy(tmp_path / "client.crt", tmp_path / "used.crt")
        reload(running, file, text, "configuration not reloaded")
        assert shown(running, tmp_path) == (tmp_path / "server.crt").read_text()
        shutil.copy(tmp_path / "client.key", tmp_path / "used.key")
        reload(running, file, text, "configuration reloaded")
        assert shown(running, tmp_path) == (tmp_path / "client.crt").read_text()


@pytest.mark.parametrize("flags", [(), ("--check-config",)], ids=["start", "check"])
def test_a_wrong_file_is_refused_at_the_start(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """In one line, before anything is loaded."""
    file = tmp_path / "web.yml"
    file.write_text("tls_server_config:\n  cert_file: none\n  key_file: none\n")
    argv = [str(RESOLVTRACE), "daemon", "--config=/dev/null", f"--web.config.file={file}", *flags]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == (
        f"resolvtrace daemon: --web.config.file: {file}: cannot read {tmp_path}/none (No such file or directory): "
        "check its path and permissions\n"
    )
