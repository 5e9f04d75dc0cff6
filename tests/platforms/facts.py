"""What a root is made of, as its package database has it, and what its tests came to."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

_CLOSING = re.compile(r"^(?:=+ )?((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s\b", re.MULTILINE)
_REPEATS = re.compile(r"^run-last-failure: rerun previous \d+ failures?", re.MULTILINE)
_FAILED = re.compile(r"^(FAILED|ERROR) (\S+::.+?)(?: - .*)?$", re.MULTILINE)
_AFTER_TEST = re.compile(r"^_+ ERROR at teardown of ", re.MULTILINE)
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
    """Count the tests of pytest's runs by the last outcome of each: "1,708 passed, 3 skipped"; "" if there was no run.

    What a run of the tests that failed before (``--last-failed``) says of them replaces what was said until then.
    """
    counts: Counter[str] = Counter()
    passed_and_failed = begin = 0
    for closing in _CLOSING.finditer(log):
        run, begin = log[begin : closing.end()], closing.end()
        if _REPEATS.search(run):
            counts["passed"] -= passed_and_failed
            counts["failed"] = counts["errors"] = passed_and_failed = 0
        for part in closing[1].split(", "):
            number, kind = part.split()
            counts["errors" if kind == "error" else kind] += int(number)
        passed_and_failed += _passed_and_failed(run)
    return counts_in_words(counts)


def counts_in_words(counts: Mapping[str, int]) -> str:
    """Say how many tests passed, failed and so on: "1,708 passed, 3 skipped"."""
    return ", ".join(f"{counts[kind]:,} {kind}" for kind in _COUNTED if counts.get(kind))


def _passed_and_failed(run: str) -> int:
    """Count the tests that passed before their teardown failed: pytest counts each of them twice."""
    named = {kind: {test for found, test in _FAILED.findall(run) if found == kind} for kind in ("FAILED", "ERROR")}
    return len(_AFTER_TEST.findall(run)) - len(named["FAILED"] & named["ERROR"])


def _package(root: Path, name: str, field: str) -> str:
    command = ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show", f"--showformat=${{{field}}}", name]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()


def _upstream(version: str) -> str:
    """Give the upstream part of a package's version (deb-version(7))."""
    return re.sub(r"^\d+:", "", re.split(r"[-+~]", version)[0]) or "unknown"
