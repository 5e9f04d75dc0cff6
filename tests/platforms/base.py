"""The base of a root: a minimal Debian, kept as an archive for a week."""

from __future__ import annotations

import hashlib
import subprocess
import time
from pathlib import Path

from tests.platforms import mirrors
from tests.platforms.errors import PlatformError

CACHE = Path("/var/cache/resolvtrace/platforms")
PACKAGES = ("ca-certificates", "git", "make", "sudo")
"""What a user has before the first command of the README."""
SECONDS_KEPT = 7 * 24 * 3600


def archive(suite: str) -> Path:
    """Give the archive (tar) of a suite's base, made by mmdebstrap unless a fresh one is there.

    Whoever calls holds the suite's lock. Raises PlatformError if mmdebstrap fails.
    """
    command = [
        *("mmdebstrap", "--mode=root", "--variant=minbase", "--format=tar", "--quiet"),
        *("--dpkgopt=force-unsafe-io", f"--include={','.join(PACKAGES)}"),
    ]
    sources = mirrors.sources(suite)
    digest = hashlib.sha256(repr((command, sources)).encode()).hexdigest()[:16]
    made = CACHE / suite / f"{digest}.tar"
    if not made.exists() or time.time() - made.stat().st_mtime > SECONDS_KEPT:
        for old in made.parent.glob("*.tar*"):
            old.unlink()
        options = [f"--aptopt={option}" for option in mirrors.apt_options()]
        _make([*command, *options, suite], sources, made)
    return made


def _make(command: list[str], sources: str, made: Path) -> None:
    partial = made.with_suffix(".tar.new")
    # What it mounts goes with the namespace, however it ends.
    inside = ["unshare", "--mount", "--propagation", "private", "--", *command, str(partial), "-"]
    done = subprocess.run(inside, check=False, capture_output=True, text=True, input=sources)
    if done.returncode:
        raise PlatformError(f"mmdebstrap ended with status {done.returncode}: {done.stderr[-4000:]}")
    partial.rename(made)
