"""The probes come and go under full traffic, and nobody's connect or send fails for it."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from exporter.demo.lab import Program
from tests.support.building import build
from tests.support.tracing import Daemon, daemon
from tracer.kernel import libbpf
from tracer.kernel.cgroup_attachments import attached_to
from tracer.kernel.filesystems import find_cgroup2
from tracer.kernel.programs import CGROUP_PROGRAMS

AFTER_ALL_ELSE = ("sh", "-c", 'echo 19 >/proc/self/autogroup; exec nice -n 19 "$@"', "sh")
"""It takes what is left of the processors; sessions weigh alike, unless they are set not to (sched(7), autogroup)."""
LINKED = 1000


@contextmanager
def traffic(address: str) -> Iterator[None]:
    """Ask UDP with and without a peer and TCP, nameservers and others, in a `with` block; see that no call failed."""
    sender = Program([*AFTER_ALL_ELSE, build("connect_all"), address], os.environ)
    try:
        sender.wait_for_line("ready")
        yield
    finally:
        sender.stop()
    found = re.search(r"^done (\d+) (\d+)$", sender.output(), re.MULTILINE)
    assert found, sender.output()
    assert int(found[1]) > 100
    assert found[2] == "0", sender.output()


def of(running: Daemon) -> Iterator[tuple[int, int]]:
    """Give a descriptor of each of a daemon's cgroup programs, and what it is attached to."""
    held = set()
    for one in Path(f"/proc/{running.process.pid}/fdinfo").iterdir():
        with suppress(FileNotFoundError):
            held |= {int(number) for number in re.findall(r"^prog_id:\t(\d+)", one.read_text(), re.MULTILINE)}
    for program in CGROUP_PROGRAMS:
        (number,) = held & set(attached_to(str(find_cgroup2()), program.attach_type).programs)
        descriptor = ctypes.CDLL("libbpf.so.1").bpf_prog_get_fd_by_id(number)
        assert descriptor >= 0
        yield descriptor, program.attach_type


def test_attached_and_detached(tmp_path: Path) -> None:
    """A thousand times, each of the five, beside the rest of a daemon's life: begun, ready, killed."""
    cgroup = os.open(str(find_cgroup2()), os.O_RDONLY | os.O_DIRECTORY)
    with traffic("127.23.55.1"):
        with daemon(tmp_path) as running:
            programs = list(of(running))
            running.kill()
        for _ in range(LINKED):
            links = [libbpf.create_link(program, cgroup, kind) for program, kind in programs]
            for link in links:
                os.close(link)
    for descriptor in (cgroup, *(program for program, _ in programs)):
        os.close(descriptor)


@pytest.mark.slow
def test_loaded_and_unloaded(tmp_path: Path) -> None:
    """A hundred whole daemons, stopped and killed by turns."""
    one = Daemon(tmp_path)
    with traffic("127.23.55.2"):
        try:
            for time in range(100):
                one.start()
                if time % 2:
                    one.kill()
                else:
                    assert one.stop() == 0
        finally:
            if one.process.poll() is None:
                one.kill()
