"""What a root reader replies is what it found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.proctree import ProcTree
from tracer.observe import root_requests

ODD = "\udcff é\u2028.conf"
"""A name that is no UTF-8, as the file system gives it, and has more than a terminal should see."""


@pytest.fixture
def tree(tmp_path: Path) -> ProcTree:
    """Return a process whose root holds a resolv.conf, and one of a name as odd as there may be."""
    tree = ProcTree(tmp_path)
    root = tmp_path / "root"
    process = tree.add(7, root=root)
    (root / "etc").mkdir(parents=True)
    (root / "etc/resolv.conf").write_bytes(b"nameserver 192.0.2.1\nsearch \xff\xe9.example\n")
    (root / f"etc/{ODD}").write_text("")
    (process / "maps").write_text("7f0c1a200000-7f0c1a235000 r--s 00000000 08:01 3 /var/cache/nscd/hosts\n")
    (process / "cmdline").write_bytes(b"dnsmasq\0-r\0/etc/" + os.fsencode(ODD) + b"\0")
    return tree


def replied(kind: str, proc: str, pid: int, *arguments: Any) -> Any:
    """Serve a request as a root reader does for the daemon."""
    return root_requests.found(kind, root_requests.reply_to(root_requests.request(kind, proc, pid, *arguments)))


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("signature", ("/etc/resolv.conf",)),
        ("signature", (f"/etc/{ODD}",)),
        ("signature", ("/etc/nowhere",)),
        ("place", ("/etc/resolv.conf",)),
        ("place", ("/etc/nowhere",)),
        ("lines", ("/etc/resolv.conf",)),
        ("is_same_file", ("/etc/resolv.conf", f"/etc/{ODD}")),
        ("resolv_files", ()),
        ("maps_hosts_table", ()),
    ],
)
def test_what_is_replied_is_what_is_seen(tree: ProcTree, kind: str, arguments: tuple[str, ...]) -> None:
    """Of the same types, bytes and names that are no text included."""
    seen = root_requests.read_directly(kind, tree.root, 7, *arguments)
    answer = replied(kind, tree.root, 7, *arguments)
    assert answer == seen
    assert type(answer) is type(seen)
    if kind == "place":
        assert [type(one) for one in answer] == [type(one) for one in seen]


def test_an_error_is_replied_as_what_it_is(tree: ProcTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it may be otherwise in a moment, above all."""
    with pytest.raises(FileNotFoundError):
        replied("signature", tree.root, 8, "/etc/resolv.conf")

    def busy(*_: object) -> None:
        raise BlockingIOError(5, "Input/output error")

    monkeypatch.setitem(root_requests._KINDS, "signature", root_requests._KINDS["signature"]._replace(read=busy))
    with pytest.raises(BlockingIOError):
        replied("signature", tree.root, 7, "/etc/resolv.conf")


def test_no_error_stops_a_root_reader(tree: ProcTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is below that root."""

    def broken(*_: object) -> None:
        raise RecursionError

    monkeypatch.setitem(root_requests._KINDS, "signature", root_requests._KINDS["signature"]._replace(read=broken))
    with pytest.raises(OSError, match="Input/output error"):
        replied("signature", tree.root, 7, "/etc/resolv.conf")
