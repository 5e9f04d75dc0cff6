"""What inotify(7) tells a process of."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from tracer.observe.inotify import watched


def test_a_watched_directory_is_found(tmp_path: Path) -> None:
    """By inode and device, as the kernel says them of this very process."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_CLOEXEC)
    try:
        assert not [place for place in watched("/proc", os.getpid()) if place[0] == tmp_path.stat().st_ino]
        assert libc.inotify_add_watch(descriptor, os.fsencode(tmp_path), 0x100) > 0
        found = [place for place in watched("/proc", os.getpid()) if place[0] == tmp_path.stat().st_ino]
    finally:
        os.close(descriptor)
    status = tmp_path.stat()
    assert found == [(status.st_ino, os.major(status.st_dev) << 20 | os.minor(status.st_dev))]


def test_a_process_that_is_gone_watches_nothing() -> None:
    """It is no error."""
    assert list(watched("/nonexistent", 1)) == []
