"""A daemon on a machine that is as it was sleeps, and wakes at what concerns it."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.demo.lab import wait_until
from tests.support.tracing import Daemon, daemon
from tracer.observe.path_watch import PathWatch

pytestmark = pytest.mark.alone

WINDOW_SECONDS = 4.0
MOST_WAKINGS = 4
"""Of a daemon that looks four times a second there are 16, and more with a tick each second."""
LONG_SECONDS = 90.0
"""Others query on this machine, and mount, too: in that time there is such a window."""


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[Daemon]:
    """Give a daemon."""
    with daemon(tmp_path) as running:
        yield running


def wakings(pid: int) -> int:
    """Count how often a process's first thread has waited so far (proc_pid_status(5), voluntary_ctxt_switches)."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^voluntary_ctxt_switches:\s*(\d+)$", status, re.MULTILINE)
    assert found
    return int(found[1])


def test_an_idle_daemon_sleeps(idle: Daemon) -> None:
    """It waits for the kernel, and looks again seldom."""

    def sleeps() -> bool:
        before = wakings(idle.process.pid)
        time.sleep(WINDOW_SECONDS)
        return wakings(idle.process.pid) - before <= MOST_WAKINGS

    wait_until(sleeps, LONG_SECONDS, "the daemon to sleep")


@pytest.fixture
def namespace() -> Iterator[int]:
    """Give a process with a mount namespace of its own."""
    private = ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo ready; exec sleep infinity"]
    with subprocess.Popen(private, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
        process.kill()


def test_a_mount_over_the_file_is_seen(namespace: int) -> None:
    """Though no file is changed by it; and so is the end of the mount."""
    watch = PathWatch("/proc", namespace, "/etc/resolv.conf")
    for command in (["mount", "--bind", "/etc/hosts", "/etc/resolv.conf"], ["umount", "/etc/resolv.conf"]):
        assert not watch.has_changed()
        subprocess.run(["nsenter", f"--mount=/proc/{namespace}/ns/mnt", *command], check=True)
        assert watch.has_changed()
    watch.close()
