"""A daemon on a machine that is as it was sleeps, and wakes at what concerns it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter.demo.lab import NAME, NEW, OLD, Experiment, experiment, wait_until
from tests.support.building import build
from tests.support.tracing import Daemon, daemon

pytestmark = pytest.mark.alone

WINDOW_SECONDS = 4.0
MOST_WAKINGS = 4
"""Of a daemon that looks four times a second there are 16, and more with a tick each second."""
LONG_SECONDS = 90.0
"""Others query on this machine, and mount, too: in that time there is such a window."""
REPORTED_SECONDS = 6.0
"""Five times less than what passes until a container's view is looked at without a report."""


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


def sleeps(running: Daemon) -> bool:
    """Tell whether it has slept for some seconds."""
    before = wakings(running.process.pid)
    time.sleep(WINDOW_SECONDS)
    return wakings(running.process.pid) - before <= MOST_WAKINGS


def test_an_idle_daemon_sleeps(idle: Daemon) -> None:
    """It waits for the kernel, and looks again seldom."""
    wait_until(lambda: sleeps(idle), LONG_SECONDS, "the daemon to sleep")


@pytest.fixture
def container() -> Iterator[Experiment]:
    """Give a world with a resolv.conf of its own, on an overlay as a container's root is."""
    with experiment() as lab:
        lower = "mkdir -p /run/lower /run/upper /run/work && cp -a /etc/. /run/lower"
        mount = "mount -t overlay overlay -o lowerdir=/run/lower,upperdir=/run/upper,workdir=/run/work /etc"
        lab.world.run(["sh", "-c", f"mount -t tmpfs tmpfs /run && {lower} && {mount}"])
        yield lab


def look_up_once(lab: Experiment, running: Daemon) -> str:
    """Let a process look up one name and stay; gives its view."""
    program = lab.world.start([build("getaddrinfo_loop"), NAME, "3600000"])
    return str(running.wait_for_state(program.pid, "current", 5)["view"])


def test_a_daemon_sleeps_beside_containers(idle: Daemon, container: Experiment) -> None:
    """Their changes are reported, too: it need not look at each again and again."""
    look_up_once(container, idle)
    wait_until(lambda: sleeps(idle), LONG_SECONDS, "the daemon to sleep")


def write(lab: Experiment) -> None:
    """Write in place, which copies the file up from the lower layer."""
    lab.world.write_resolv_conf(f"nameserver {NEW}\n", "in-place")


def rename(lab: Experiment) -> None:
    """Put another file in its place."""
    lab.world.write_resolv_conf(f"nameserver {NEW}\n", "rename")


def mount(lab: Experiment) -> None:
    """Mount another file over it, by which no file is changed."""
    lab.world.run(["sh", "-c", f"echo nameserver {NEW} > /run/new; mount --bind /run/new /etc/resolv.conf"])


def mount_over_directory(lab: Experiment) -> None:
    """Mount another directory over that in which it lies."""
    copy = "cp -a /etc /run/etc && rm /run/etc/resolv.conf"
    lab.world.run(["sh", "-c", f"{copy} && echo nameserver {NEW} > /run/etc/resolv.conf; mount --bind /run/etc /etc"])


CHANGES = [write, rename, mount, mount_over_directory]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_in_a_container_wakes_the_daemon(
    idle: Daemon, container: Experiment, change: Callable[[Experiment], None]
) -> None:
    """And so does the next: what the path leads to after the first is watched."""
    view = look_up_once(container, idle)
    change(container)
    idle.wait_for_generation(view, 2, REPORTED_SECONDS)
    container.world.path("/etc/resolv.conf").write_text(f"nameserver {OLD}\nnameserver {NEW}\n")
    idle.wait_for_generation(view, 3, REPORTED_SECONDS)
