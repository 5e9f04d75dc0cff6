"""The programs of the demo: real glibc processes that look up one name repeatedly."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from exporter.demo.errors import DemoError
from exporter.demo.lab import NAME, Program, World, wait_until

_LOOKUPS = """
import socket, sys, time
comm, name = sys.argv[1:]
with open("/proc/self/comm", "w") as file:
    file.write(comm)
while True:
    try:
        print(socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0], flush=True)
    except OSError as error:
        print("no answer:", error.strerror, flush=True)
    time.sleep(0.4)
"""
_NO_RELOAD = {"RES_OPTIONS": "no-reload"}
"""Makes glibc read resolv.conf only once, as it did before 2.26 and as sendmail still does (resolv.conf(5))."""
_NSCD_CONF = "enable-cache hosts yes\npositive-time-to-live hosts 60\nnegative-time-to-live hosts 1\n"
_START_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class LookupProcess:
    """A process that looks up the name more than twice a second.

    ``behaviour``: how it does that; ``cause``: why it follows a change of resolv.conf or not.
    """

    name: str
    program: Program
    behaviour: str
    cause: str

    @property
    def pid(self) -> int:
        """Its pid."""
        return self.program.pid

    @property
    def answers(self) -> list[str]:
        """The addresses it has received; failed lookups are left out."""
        return [line for line in self.program.lines() if not line.startswith("no answer")]

    def has(self, answer: str) -> bool:
        """Return whether this is the latest address it received."""
        return self.answers[-1:] == [answer]

    def check_alive(self) -> None:
        """Raise DemoError if it has exited."""
        if self.program.poll() is not None:
            raise DemoError(f"{self.name} (pid {self.pid}) exited unexpectedly: {self.program.output().strip()[-200:]}")


def frozen(world: World) -> LookupProcess:
    """Start the process that reads resolv.conf once."""
    return LookupProcess(
        "frozen",
        _start(world, "frozen", _NO_RELOAD),
        "reads resolv.conf once (RES_OPTIONS=no-reload), as sendmail and httpd did when this was first reported",
        "it has not re-read the file",
    )


def healthy(world: World) -> LookupProcess:
    """Start the process with glibc's default behaviour."""
    return LookupProcess(
        "healthy",
        _start(world, "healthy", {}),
        "checks resolv.conf before each lookup, glibc's default since 2.26",
        "it re-read the file",
    )


def through_nscd(world: World, nscd: Program) -> LookupProcess:
    """Start the process that reads resolv.conf once, too, but uses nscd."""
    inside = ("nsenter", f"--mount=/proc/{nscd.pid}/ns/mnt", "--")
    return LookupProcess(
        "via-nscd",
        _start(world, "via-nscd", _NO_RELOAD, *inside),
        "like frozen, but it uses nscd, which watches resolv.conf",
        "nscd re-read the file",
    )


def nscd(world: World) -> Program:
    """Start an nscd whose socket is visible only in its own mount namespace.

    Its resolv.conf is the world's. Raises LabError, TimeoutError or DemoError.
    """
    world.path("/etc/nscd.conf").write_text(_NSCD_CONF)
    alone = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c"]
    program = world.start([*alone, "mount -n -t tmpfs -o mode=0755 demo /var/run/nscd && exec nscd -F"])
    # From the host, an absolute symbolic link would lead to the host's own socket.
    path = Path(f"/proc/{program.pid}/root{os.path.realpath('/var/run')}/nscd/socket")

    def accepts() -> bool:
        if program.poll() is not None:
            raise DemoError(f"nscd exited with status {program.poll()}: {program.output().strip()[-200:]}")
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(path)) == 0

    wait_until(accepts, _START_SECONDS, "nscd to answer")
    return program


def _start(world: World, comm: str, env: dict[str, str], *inside: str) -> Program:
    return world.start([*inside, sys.executable, "-I", "-c", _LOOKUPS, comm, NAME], env)
