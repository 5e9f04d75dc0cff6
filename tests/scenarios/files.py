"""The ways in which resolv.conf is changed, and its text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from exporter.demo.lab.resolv_conf import WAYS, change

__all__ = ["HOWS", "options", "write"]

HOWS = (*WAYS, "in-two", "same-mtime", "comment")


def options(servers: Sequence[str]) -> str:
    """Give the text of a resolv.conf whose lookups are short: two seconds for each nameserver at the most."""
    lines = [*(f"nameserver {server}" for server in servers), "options timeout:1 attempts:1"]
    return "".join(f"{line}\n" for line in lines)


def write(etc: Path, servers: Sequence[str], how: str) -> None:
    """Make the resolv.conf of an /etc list these, in one of the ways of HOWS.

    Beside those of the lab: `in-two` writes half of the file, and appends the rest; `same-mtime` renames a file over
    it that has its modification time; `comment` writes a remark too.
    """
    path = etc / "resolv.conf"
    text = options(servers)
    if how == "in-two":
        half = len(f"nameserver {servers[0]}\n")
        path.write_text(text[:half])
        with path.open("a") as file:
            file.write(text[half:])
    elif how == "same-mtime":
        new, status = path.with_name(".new"), path.stat()
        new.write_text(text)
        os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
        new.replace(path)
    elif how == "comment":
        path.write_text(f"# by hand\n{text}")
    else:
        change(etc, text, how)  # type: ignore[arg-type]
