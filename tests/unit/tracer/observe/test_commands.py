"""Command lines: cut, made safe to show, and never a reason to wait."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.proctree import ProcTree
from tracer.observe.commands import MOST_BYTES, commands
from tracer.observe.root_requests import found, reply_to, request


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"/usr/sbin/sendmail-mta\0-bD\0", ["/usr/sbin/sendmail-mta", "-bD"]),
        (b"sh\0-c\0a b\0\0", ["sh", "-c", "a b"]),
        (b"nginx: worker process\0\0\0\0", ["nginx: worker process"]),
        (b"x" * 400, ["x" * MOST_BYTES]),
        (b"a\0\x1b[31m\n\xe2\x80\xae\xff\0", ["a", r"\x1b[31m\n\u202e\xff"]),
        ("straße\0".encode(), ["straße"]),
        (b"", None),
    ],
)
def test_a_command_line_is_its_words(tmp_path: Path, line: bytes, words: list[str] | None) -> None:
    """256 bytes at most; whatever is not printable is escaped."""
    tree = ProcTree(tmp_path)
    tree.add(7, cmdline=line)
    assert commands(str(tree.root), 0, 7, 8) == [words, None]


def test_a_root_reader_can_read_them(tmp_path: Path) -> None:
    """Many in one look, as JSON each way."""
    tree = ProcTree(tmp_path)
    tree.add(7, cmdline=b"one\0")
    asked = request("commands", str(tree.root), 0, 7, 8)
    assert found("commands", reply_to(asked)) == [["one"], None]
