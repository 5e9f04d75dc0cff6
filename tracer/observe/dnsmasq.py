"""Which files dnsmasq takes its upstreams from: its command line and its configuration file say (dnsmasq(8))."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress

from tracer.observe import rootfs

_CONFIGURATION = "/etc/dnsmasq.conf"
_MOST_BYTES = 1 << 16
_LINE = re.compile(rb"^[ \t]*(resolv-file[ \t]*=[ \t]*(?P<file>[^\s#]+)|no-resolv[ \t]*$)", re.MULTILINE)


def resolv_files(proc: str, pid: int) -> list[str] | None:
    """Give the files that a dnsmasq is configured to take its upstreams from; none if it is configured to read none.

    None if nothing was said of it, or cannot be seen: it takes /etc/resolv.conf then. Configuration directories
    are not looked into.
    """
    with suppress(OSError):
        with open(f"{proc}/{pid}/cmdline", "rb") as file:
            words = [os.fsdecode(word) for word in file.read().split(b"\0")]
        files = list(_values(words, "-r", "--resolv-file"))
        if "-R" in words or "--no-resolv" in words:
            return []
        configurations = list(_values(words, "-C", "--conf-file")) or [_CONFIGURATION]
        with rootfs.root_of(proc, pid) as root:
            for configuration in configurations:
                for found in _LINE.finditer(rootfs.read_begin(root, configuration, _MOST_BYTES)):
                    if found["file"] is None:
                        return []
                    files.append(os.fsdecode(found["file"]))
        return [file for file in files if file.startswith("/")] or None
    return None


def _values(words: list[str], short: str, long: str) -> Iterator[str]:
    """Find an option's values, in any of the ways in which getopt_long(3) takes them."""
    for index, word in enumerate(words):
        if word in (short, long) and index + 1 < len(words):
            yield words[index + 1]
        elif word.startswith(f"{long}="):
            yield word.removeprefix(f"{long}=")
        elif word.startswith(short) and len(word) > len(short) and not word.startswith("--"):
            yield word.removeprefix(short)
