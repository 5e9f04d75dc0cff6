"""Which file dnsmasq takes its upstreams from, by its command line and its configuration (dnsmasq(8))."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.proctree import ProcTree
from tracer.observe.dnsmasq import resolv_files


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return an empty root directory."""
    place = tmp_path / "root"
    (place / "etc").mkdir(parents=True)
    return place


def _files(tmp_path: Path, root: Path, *words: str) -> list[str] | None:
    tree = ProcTree(tmp_path)
    process = tree.add(7, root=root)
    (process / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in ("dnsmasq", *words)))
    return resolv_files(tree.root, 7)


@pytest.mark.parametrize(
    ("words", "files"),
    [
        (["-k"], None),
        (["-r", "/run/upstreams"], ["/run/upstreams"]),
        (["-r/run/upstreams"], ["/run/upstreams"]),
        (["--resolv-file=/run/upstreams"], ["/run/upstreams"]),
        (["--resolv-file", "/run/upstreams", "-k"], ["/run/upstreams"]),
        (["-r", "/run/one", "-r", "/run/two"], ["/run/one", "/run/two"]),
        (["-R"], []),
        (["--no-resolv", "-r", "/run/upstreams"], []),
        (["-r", "relative"], None),
        (["-r"], None),
    ],
)
def test_the_command_line(tmp_path: Path, root: Path, words: list[str], files: list[str] | None) -> None:
    """In any of the ways in which an option is written; None if it says nothing."""
    assert _files(tmp_path, root, *words) == files


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("", None),
        ("resolv-file=/run/upstreams\n", ["/run/upstreams"]),
        ("  resolv-file = /run/upstreams # mine\n", ["/run/upstreams"]),
        ("#resolv-file=/run/upstreams\n", None),
        ("no-resolv\nserver=192.0.2.1\n", []),
        ("no-resolvers=1\n", None),
    ],
)
def test_the_configuration(tmp_path: Path, root: Path, text: str, files: list[str] | None) -> None:
    """The default file, and one that is named."""
    (root / "etc/dnsmasq.conf").write_text(text)
    assert _files(tmp_path, root) == files


def test_a_configuration_that_is_named(tmp_path: Path, root: Path) -> None:
    """Instead of the default one."""
    (root / "etc/dnsmasq.conf").write_text("resolv-file=/run/other\n")
    (root / "etc/mine").write_text("resolv-file=/run/upstreams\n")
    assert _files(tmp_path, root, "--conf-file=/etc/mine") == ["/run/upstreams"]


def test_a_process_that_is_gone_says_nothing(tmp_path: Path) -> None:
    """It may exit while it is read."""
    assert resolv_files(ProcTree(tmp_path).root, 7) is None


def test_a_configuration_that_is_none_says_nothing(tmp_path: Path, root: Path) -> None:
    """A directory, in a container that wants to be looked at."""
    (root / "etc/dnsmasq.conf").mkdir()
    assert _files(tmp_path, root) is None
