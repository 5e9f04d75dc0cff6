"""What a root is made of, as its package database has it, and what its tests came to."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

_CLOSING = re.compile(r"^(?:=+ )?((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s\b", re.MULTILINE)
_COUNTED = ("passed", "failed", "errors", "skipped", "xfailed")


def versions(root: Path) -> dict[str, str]:
    """Give the distribution's name, the versions of BCC, LLVM and Python, and the architecture."""
    release = (root / "etc/os-release").read_text()
    name = re.search(r'^PRETTY_NAME="(.*)"$', release, re.MULTILINE)
    llvm = re.search(r"libllvm(\d+)", _package(root, "libbpfcc", "Depends"))
    return {
        "distribution": name[1] if name else "unknown",
        "BCC": _upstream(_package(root, "python3-bpfcc", "Version")),
        "LLVM": llvm[1] if llvm else "unknown",
        "Python": _upstream(_package(root, "python3", "Version")),
        "architecture": _package(root, "python3", "Architecture"),
    }


def closing_lines(log: str) -> list[str]:
    """Give the lines with which runs of pytest end, in order."""
    return [match[0] for match in re.finditer(_CLOSING.pattern + ".*", log, re.MULTILINE)]


def summary(log: str) -> str:
    """Add up what runs of pytest said at their ends: "1,708 passed, 3 skipped"; "" if there was none."""
    counts: Counter[str] = Counter()
    for match in _CLOSING.finditer(log):
        for part in match[1].split(", "):
            number, kind = part.split()
            counts["errors" if kind == "error" else kind] += int(number)
    return counts_in_words(counts)


def counts_in_words(counts: Mapping[str, int]) -> str:
    """Say how many tests passed, failed and so on: "1,708 passed, 3 skipped"."""
    return ", ".join(f"{counts[kind]:,} {kind}" for kind in _COUNTED if counts.get(kind))


def _package(root: Path, name: str, field: str) -> str:
    command = ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show", f"--showformat=${{{field}}}", name]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()


def _upstream(version: str) -> str:
    """Give the upstream part of a package's version (deb-version(7))."""
    return re.sub(r"^\d+:", "", re.split(r"[-+~]", version)[0]) or "unknown"
