"""What a lookout writes down is what was found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.proctree import ProcTree
from tracer.observe import looks

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


def told(kind: str, proc: str, pid: int, *arguments: Any) -> Any:
    """Look as a lookout does for the daemon."""
    return looks.found(kind, looks.reply_to(looks.request(kind, proc, pid, *arguments)))


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
def test_what_is_told_is_what_is_seen(tree: ProcTree, kind: str, arguments: tuple[str, ...]) -> None:
    """Of the same types, bytes and names that are no text included."""
    seen = looks.look(kind, tree.root, 7, *arguments)
    answer = told(kind, tree.root, 7, *arguments)
    assert answer == seen
    assert type(answer) is type(seen)
    if kind == "place":
        assert [type(one) for one in answer] == [type(one) for one in seen]


def test_an_error_is_told_as_what_it_is(tree: ProcTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it may be otherwise in a moment, above all."""
    with pytest.raises(FileNotFoundError):
        told("signature", tree.root, 8, "/etc/resolv.conf")

    def busy(*_: object) -> None:
        raise BlockingIOError(5, "Input/output error")

    monkeypatch.setitem(looks._KINDS, "signature", looks._KINDS["signature"]._replace(look=busy))
    with pytest.raises(BlockingIOError):
        told("signature", tree.root, 7, "/etc/resolv.conf")


def test_no_error_ends_a_lookout(tree: ProcTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands below that root."""

    def broken(*_: object) -> None:
        raise RecursionError

    monkeypatch.setitem(looks._KINDS, "signature", looks._KINDS["signature"]._replace(look=broken))
    with pytest.raises(OSError, match="Input/output error"):
        told("signature", tree.root, 7, "/etc/resolv.conf")
