"""The programs of the demo: real glibc processes that look one name up again and again."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from exporter.demonstration.trouble import Trouble
from exporter.lab import NAME, Program, World, wait_until

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
"""Today's glibc with the behaviour of the one in the report, and of today's sendmail: read once (resolv.conf(5))."""
_NSCD_CONF = "enable-cache hosts yes\npositive-time-to-live hosts 60\nnegative-time-to-live hosts 1\n"
_START_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Player:
    """A process that looks the name up more than twice a second.

    ``manner`` says how it does that, ``cause`` why it goes on as it does when resolv.conf changes.
    """

    name: str
    program: Program
    manner: str
    cause: str

    @property
    def pid(self) -> int:
        """Its pid."""
        return self.program.pid

    @property
    def answers(self) -> list[str]:
        """The addresses it was given so far; a lookup that failed counts for nothing."""
        return [line for line in self.program.lines() if not line.startswith("no answer")]

    def has(self, answer: str) -> bool:
        """Return whether the latest address it was given is this one."""
        return self.answers[-1:] == [answer]

    def check_alive(self) -> None:
        """Raise Trouble where it has ended."""
        if self.program.poll() is not None:
            raise Trouble(f"{self.name} (pid {self.pid}) ended unasked: {self.program.output().strip()[-200:]}")


def frozen(world: World) -> Player:
    """Start the one that reads resolv.conf once."""
    return Player(
        "frozen",
        _start(world, "frozen", _NO_RELOAD),
        "reads resolv.conf once (RES_OPTIONS=no-reload), as sendmail and httpd did when this was first reported",
        "it has not read the file again",
    )


def healthy(world: World) -> Player:
    """Start the one that does as today's glibc does."""
    return Player(
        "healthy",
        _start(world, "healthy", {}),
        "looks at resolv.conf before each lookup, as today's glibc does by itself",
        "it saw the change by itself",
    )


def through_nscd(world: World, nscd: Program) -> Player:
    """Start the one that reads resolv.conf once too, and finds an nscd to ask."""
    inside = ("nsenter", f"--mount=/proc/{nscd.pid}/ns/mnt", "--")
    return Player(
        "via-nscd",
        _start(world, "via-nscd", _NO_RELOAD, *inside),
        "like frozen, but it finds nscd to ask, which watches resolv.conf",
        "nscd saw the change",
    )


def nscd(world: World) -> Program:
    """Start an nscd that only those see who share its mount namespace: there its socket's directory is another.

    Its resolv.conf is the world's all the same. Raises LabError, TimeoutError or Trouble.
    """
    world.path("/etc/nscd.conf").write_text(_NSCD_CONF)
    alone = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c"]
    program = world.start([*alone, "mount -n -t tmpfs -o mode=0755 demo /var/run/nscd && exec nscd -F"])
    # For a process of the host an absolute link on the way would lead to the host's own socket.
    path = Path(f"/proc/{program.pid}/root{os.path.realpath('/var/run')}/nscd/socket")

    def accepts() -> bool:
        if program.poll() is not None:
            raise Trouble(f"nscd ended with status {program.poll()}: {program.output().strip()[-200:]}")
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(path)) == 0

    wait_until(accepts, _START_SECONDS, "nscd to answer")
    return program


def _start(world: World, comm: str, env: dict[str, str], *inside: str) -> Program:
    return world.start([*inside, sys.executable, "-I", "-c", _LOOKUPS, comm, NAME], env)
