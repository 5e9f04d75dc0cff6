"""The world of the lab: its own network and /etc, real nameservers, and real programs that query them."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from exporter.demo.lab import nameserver, resolv_conf
from exporter.demo.lab.nameserver import Nameserver
from exporter.demo.lab.program import LabError, Program
from exporter.demo.lab.waiting import wait_until

HOLD = ("setpriv", "--pdeathsig", "TERM", "unshare", "--net", "--mount", "--propagation", "private", "--")
HOLDER = Path(__file__).with_name("holder.py")
# The caller's environment is not passed on: RES_OPTIONS and LOCALDOMAIN would change what resolvers do.
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/", "LC_ALL": "C"}
START_SECONDS = 20.0


class World:
    """A private network namespace and mount namespace, for a `with` block.

    Inside: a loopback interface with `addresses` (IPv4 or IPv6) and no other network; a copy of the host's /etc on
    its own file system, with `resolv_conf` in it; an empty /run and /var/cache/nscd, so that no lookup service of the
    host is reachable. Programs, /proc and pids are the host's.

    Leaving the block kills every program in the world, including those that have forked. So does the exit of the
    process that created it, even by SIGKILL, and, since the kernel's parent-death signal depends on threads, the exit
    of the thread that started the program or the world.

    Requires root, util-linux, iproute2 and dnsmasq. Entering raises LabError, with the failing command's message.
    """

    def __init__(self, addresses: Iterable[str], resolv_conf: str) -> None:
        self.addresses = list(addresses)
        self._resolv_conf = resolv_conf
        self._programs: list[Program] = []
        self._holder: Program | None = None

    def __enter__(self) -> Self:
        self._holder = Program(
            [*HOLD, sys.executable, "-I", HOLDER, self._resolv_conf, *self.addresses],
            ENVIRONMENT,
        )
        try:
            self._holder.wait_for_line("ready", START_SECONDS)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    @property
    def pid(self) -> int:
        """The pid of the process that holds the namespaces: /proc/PID/ns/net and /proc/PID/ns/mnt are the world's."""
        if self._holder is None:
            raise LabError("the world has not been entered")
        return self._holder.pid

    def path(self, inside: str | Path) -> Path:
        """Return the path on the host of the world's absolute path `inside`.

        An absolute symbolic link in it (such as /var/run) leads a process of the host to the host's file.
        """
        return Path(f"/proc/{self.pid}/root") / str(inside).lstrip("/")

    def start(self, argv: Sequence[str | Path], env: Mapping[str, str] | None = None) -> Program:
        """Start a program in the world, with `env` added to a minimal environment; its pid is the result's.

        For the first milliseconds the pid belongs to nsenter(1) and setpriv(1), which exec without a fork. A program
        that cannot be started exits with status 127 or 126, and prints why.
        """
        inside = ["nsenter", f"--net=/proc/{self.pid}/ns/net", f"--mount=/proc/{self.pid}/ns/mnt", "--"]
        program = Program([*inside, "setpriv", "--pdeathsig", "KILL", "--", *argv], ENVIRONMENT | dict(env or {}))
        self._programs.append(program)
        return program

    def run(self, argv: Sequence[str | Path], env: Mapping[str, str] | None = None) -> str:
        """Run a program in the world and return its output. Raises LabError if it fails."""
        program = self.start(argv, env)
        program.close_stdin()
        try:
            status = program.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            program.kill()
            raise LabError(f"{program} did not exit within {START_SECONDS:g} s") from None
        if status:
            raise LabError(f"{program} exited with status {status}: {program.output().strip()}")
        return program.output()

    def nameserver(self, address: str, answers: Mapping[str, str]) -> Nameserver:
        """Start a nameserver on `address`, one of the world's, and return it once it answers.

        `answers` maps domains to addresses. Raises LabError or TimeoutError.
        """
        server = Nameserver(address, self.start(nameserver.command(address, answers)))
        server.wait_until_ready()
        return server

    def start_nscd(self, env: Mapping[str, str] | None = None) -> Program:
        """Start nscd(8) and return it once its socket accepts connections. Raises LabError or TimeoutError."""
        program = self.start(["nscd", "-F"], env)
        path = str(self.path("/run/nscd/socket"))

        def accepts() -> bool:
            if program.poll() is not None:
                raise LabError(f"{program} exited with status {program.poll()}: {program.output().strip()}")
            with socket.socket(socket.AF_UNIX) as client:
                return client.connect_ex(path) == 0

        wait_until(accepts, START_SECONDS, f"{path} to accept a connection")
        return program

    def write_resolv_conf(self, text: str, how: resolv_conf.Way = "rename") -> None:
        """Write `text` to the world's /etc/resolv.conf, in one of the ways of resolv_conf.WAYS."""
        resolv_conf.change(self.path("/etc"), text, how)

    def delete_resolv_conf(self) -> None:
        """Remove the world's /etc/resolv.conf. Raises FileNotFoundError if there is none."""
        self.path("/etc/resolv.conf").unlink()

    def _end(self) -> None:
        """Kill every program, then the holder, which kills the rest. It may be done already."""
        for program in reversed(self._programs):
            program.kill()
        self._programs.clear()
        if self._holder is None:
            return
        with contextlib.suppress(BrokenPipeError):
            self._holder.close_stdin()
        try:
            self._holder.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self._holder.kill()
        self._holder = None
