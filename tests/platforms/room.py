"""A bare root: unpacked from its base, with a clone of the project in /root, and commands run there."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.platforms import base, mirrors

PROJECT = Path(__file__).parents[2]
CLONE = "root/resolvtrace"
_ENTER = Path(__file__).with_name("enter")
_PLACE = "/var/tmp"  # noqa: S108 - a name of its own is made below it
_NAMESPACES = ("unshare", "--mount", "--uts", "--propagation", "private")
_PR_SET_CHILD_SUBREAPER = 36


class Room:
    """A bare root, entered again for each command."""

    def __init__(self, root: Path, suite: str) -> None:
        self.root = root
        self._archives, self._wheels = base.CACHE / suite / "archives", base.CACHE / "wheels"
        for directory in (self._archives / "partial", self._wheels):
            directory.mkdir(parents=True, exist_ok=True)

    def run(self, command: str) -> int:
        """Run a command of bash in the clone, as root; give its status. What it leaves running is killed."""
        variables = [f"{name}={value}" for name, value in mirrors.variables().items()]
        inside = [*map(str, (_ENTER, self.root, self._archives, self._wheels)), *variables, "--", command]
        shell = os.posix_spawnp("unshare", [*_NAMESPACES, *inside], os.environ)
        try:
            return _reap_until(shell)
        finally:
            kill_children()


@contextlib.contextmanager
def bare_root(suite: str) -> Iterator[Room]:
    """Make the root of a suite, and take it away again. Of each suite there is one at a time: others wait.

    All children of this process exit with it. Raises PlatformError if it cannot be made.
    """
    _adopt_orphans()
    place = base.CACHE / suite
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        root = Path(tempfile.mkdtemp(prefix=f"resolvtrace-{suite}.", dir=_PLACE))
        try:
            _furnish(suite, root)
            yield Room(root, suite)
        finally:
            kill_children()
            subprocess.run(["rm", "-rf", "--one-file-system", root], check=True)


def kill_children() -> None:
    """Kill all children of this process, and theirs, which become its own as their parents exit."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    with contextlib.suppress(ChildProcessError):
        while True:
            for pid in map(int, children.read_text().split()):
                os.kill(pid, signal.SIGKILL)
            os.wait()


def _reap_until(awaited: int) -> int:
    """Wait for a child and give its status; orphans that exit before it are reaped, as by a machine's init."""
    while True:
        pid, status = os.wait()
        if pid == awaited:
            return os.waitstatus_to_exitcode(status)


def _adopt_orphans() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _furnish(suite: str, root: Path) -> None:
    unpack = ["tar", "--extract", "--numeric-owner", "--xattrs", "--exclude=./dev/*"]
    subprocess.run([*unpack, "--file", base.archive(suite), "--directory", root], check=True)
    root.chmod(0o755)
    mirrors.write(root, suite)
    (root / "etc/hostname").write_text(f"{suite}\n")
    # With a domain: without one, sendmail's installation waits a minute for it, several times.
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {suite}.example {suite}\n")
    # The root is gone within the hour: waiting for the disk at each package would be for nothing.
    (root / "etc/dpkg/dpkg.cfg.d/unsafe-io").write_text("force-unsafe-io\n")
    # Nor does anybody look up a manual page by its words there.
    preseed = ["chroot", str(root), "debconf-set-selections"]
    subprocess.run(preseed, check=True, text=True, input="man-db man-db/auto-update boolean false\n")
    # Not of the same inodes: what is done to the clone is not done to the project.
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", PROJECT, root / CLONE], check=True)
