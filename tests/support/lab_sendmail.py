"""Debian's own sendmail in a world of the lab, as it comes: no option, no line of its configuration touched."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
from typing import TYPE_CHECKING, Literal

from exporter.demo.lab import LabError, Program, World, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 20.0
PID_FILE = "/run/sendmail/mta/sendmail.pid"
# A connection a mail, like real clients. The name for HELO is given, or smtplib would look one up.
SUBMIT = """
import smtplib, sys
for _ in range(int(sys.argv[1])):
    with smtplib.SMTP("127.0.0.1", 25, local_hostname="localhost") as client:
        client.sendmail("root@localhost", [sys.argv[2]], "Subject: lab\\r\\n\\r\\nhello\\r\\n")
"""

Mode = Literal["-bD", "-bd"]


class Sendmail:
    """`sendmail-mta -bD` (in the foreground) or `-bd` (the process that read resolv.conf forks and exits).

    What it changes on disk is the world's own: the world's /etc and /run, and a queue on a tmpfs. /etc/hosts gives
    this machine a full name; without one sendmail sleeps a minute before it serves.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._program: Program | None = None
        host = socket.gethostname()
        world.path("/etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {host}.lab.example {host}\n")
        queue = "mode=2750,uid=smmta,gid=smmsp"
        world.run(["mount", "-t", "tmpfs", "-o", queue, "resolvtrace-lab", "/var/spool/mqueue"])
        world.run(["install", "-d", "-o", "smmta", "-g", "smmsp", "-m", "2755", "/run/sendmail", "/run/sendmail/mta"])

    def start(self, mode: Mode) -> Program:
        """Start it, wait until it listens on port 25 of the world, and give it. Raises LabError or TimeoutError."""
        self._program = program = self.world.start(["sendmail-mta", mode])
        self._mode = mode

        def listens() -> bool:
            if program.poll() not in (None, 0):
                raise LabError(f"{program} ended with status {program.poll()}: {program.output().strip()}")
            sockets = self.world.path(f"/proc/{self.world.pid}/net/tcp").read_text()
            return "0100007F:0019 00000000:0000 0A" in sockets and self.world.path(PID_FILE).exists()

        wait_until(listens, START_SECONDS, f"{program} to listen on port 25")
        return program

    @property
    def starter_pid(self) -> int:
        """The pid of the process that was started: with `-bd` it has exited, with `-bD` it is the listener."""
        if self._program is None:
            raise LabError("sendmail is not started")
        return self._program.pid

    @property
    def listener_pid(self) -> int:
        """The pid of the process that listens, as sendmail wrote it down."""
        return int(self.world.path(PID_FILE).read_text().split()[0])

    def submit(self, mails: int, to: str = "user@hat.com") -> None:
        """Hand in mails over SMTP. Raises LabError if sendmail refuses one.

        sendmail looks up where they go (MX, then A and AAAA) in children that it forks, after this has returned. They
        stay in the queue: nobody answers there.
        """
        self.world.run([sys.executable, "-I", "-c", SUBMIT, str(mails), to])

    def stop(self) -> None:
        """End the listener, and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError), handle(self.listener_pid) as listener:
            signal.pidfd_send_signal(listener, signal.SIGTERM)
            # It may be nobody's child here, so nobody here can wait(2) for it.
            if not select.select([listener], [], [], START_SECONDS)[0]:
                raise TimeoutError(f"waited {START_SECONDS:g} s for sendmail to end")
        if self._program:
            self._program.stop()
        self.world.path(PID_FILE).unlink(missing_ok=True)

    def restart(self) -> None:
        """Do what an administrator does: stop it, and start it in the same mode."""
        self.stop()
        self.start(self._mode)


@contextlib.contextmanager
def handle(pid: int) -> Iterator[int]:
    """Hold a descriptor that means this process even when its pid is another's. Raises ProcessLookupError."""
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
