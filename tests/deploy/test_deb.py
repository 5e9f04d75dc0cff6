"""The Debian package: what lintian says of it, what it needs and brings, and that what is in it runs."""

from __future__ import annotations

import os
import signal
import subprocess
import tomllib
from pathlib import Path

import pytest

from exporter.demo.lab import wait_until
from tracer.version import VERSION

WAIT = 60.0
DEBIAN = Path("deploy/debian")
PACKAGED_AS = {"prometheus_client": "prometheus-client", "PyYAML": "python3-yaml"}
"""Libraries whose packages are not called python3-NAME."""


@pytest.fixture(scope="module")
def said() -> list[str]:
    """Build it; give what that printed."""
    done = subprocess.run(["make", "--silent", "deb"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def package(said: list[str]) -> Path:
    """Give the package that was built."""
    return Path(said[-1])


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack it, into a directory of the test's own."""
    root = tmp_path_factory.mktemp("package")
    subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
    return root


def field(package: Path, name: str) -> str:
    """Return a field of the package's control file."""
    return subprocess.run(["dpkg-deb", "--field", package, name], check=True, capture_output=True, text=True).stdout


def vendored() -> set[str]:
    """Return the libraries that the package brings along."""
    return {line for line in (DEBIAN / "vendored").read_text().splitlines() if not line.startswith("#")}


def test_lintian_finds_neither_errors_nor_warnings(said: list[str]) -> None:
    """Where it has anything to say, `make deb` prints it; each override has its reason beside it."""
    assert [line for line in said if not line.startswith("deb: ")] == said[-1:]


def test_it_has_the_programs_version(package: Path) -> None:
    """And runs on every kind of processor that Debian has bcc for."""
    assert field(package, "Version").strip() == VERSION
    assert field(package, "Architecture").strip() == "all"


def test_its_modules_are_where_no_other_program_sees_them(unpacked: Path) -> None:
    """All Python is in the package's own directory."""
    modules = {path.relative_to(unpacked) for path in unpacked.rglob("*.py")}
    assert modules
    assert {path.parts[:3] for path in modules} == {("usr", "lib", "resolvtrace")}


def test_each_library_comes_along_or_is_depended_on(package: Path, unpacked: Path) -> None:
    """What pyproject.toml requires, and no less; the licence of each dependency is named."""
    dependencies = field(package, "Depends")
    for asked in tomllib.loads(Path("pyproject.toml").read_text())["project"]["dependencies"]:
        library, least = asked.split(">=")
        name = PACKAGED_AS.get(library, library)
        if name not in vendored():
            name = name if name.startswith("python3-") else f"python3-{name}"
            assert f"{name} (>= {least})" in dependencies
    licences = (unpacked / "usr/share/doc/resolvtrace/copyright").read_text()
    for name in vendored():
        assert f"Files: vendor/{name.replace('-', '_')}/*" in licences


def test_the_daemon_in_it_starts_with_debians_libraries(unpacked: Path, tmp_path: Path) -> None:
    """On this kernel, and exits when it is asked to."""
    log = tmp_path / "log"
    command, socket = str(unpacked / "usr/bin/resolvtrace"), str(tmp_path / "socket")
    words = [command, "daemon", "--socket", socket, "--state-dir", str(tmp_path / "state")]
    words += ["--web.listen-address", "127.0.0.1:0"]
    with log.open("wb") as stream:
        daemon = subprocess.Popen(words, stderr=stream, cwd=tmp_path, env={"PATH": os.environ["PATH"]})
    try:
        wait_until(lambda: "event=ready" in log.read_text() or daemon.poll() is not None, WAIT, "it to be ready")
        assert daemon.poll() is None, log.read_text()
        sample = [command, "top", "--batch", "-n", "1", "--socket", socket]
        done = subprocess.run(sample, check=False, capture_output=True, text=True)
        assert "resolvtrace top" in done.stdout, done.stderr
    finally:
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(WAIT) == 0
