"""The world of the lab: a network and an /etc of its own, real nameservers, real programs that ask them."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from exporter.lab import nameserver, resolv_conf
from exporter.lab.nameserver import Nameserver
from exporter.lab.program import LabError, Program
from exporter.lab.waiting import wait_until

HOLD = ("setpriv", "--pdeathsig", "TERM", "unshare", "--net", "--mount", "--propagation", "private", "--")
HOLDER = Path(__file__).with_name("holder.py")
# Nothing of the caller's environment comes in: RES_OPTIONS and LOCALDOMAIN would change what resolvers do.
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/", "LC_ALL": "C"}
START_SECONDS = 20.0


class World:
    """A private network namespace and mount namespace, for as long as the `with` block lasts.

    Inside: a loopback interface with `addresses` (IPv4 or IPv6) and no other network; an /etc that is a copy of the
    host's on a file system of its own, with `resolv_conf` in it; an empty /run and /var/cache/nscd, so that no
    lookup service of the host is in reach. The rest is the host's: its programs, its /proc, its pids.

    Leaving the block ends every program in the world, also those that have forked away. So does the death of the
    process that made it, even by SIGKILL; and, because the kernel's parent-death signal goes by threads, the end
    of the thread that started the program or the world.

    Needs root, util-linux, iproute2 and dnsmasq. Entering raises LabError, with the failing command's words, where
    the kernel or the machine refuses.
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
            raise LabError("the world is not entered")
        return self._holder.pid

    def path(self, inside: str | Path) -> Path:
        """Return where the world's absolute path `inside` is for a process of the host.

        An absolute symbolic link on the way (/var/run is one) leads a process of the host to the host's file.
        """
        return Path(f"/proc/{self.pid}/root") / str(inside).lstrip("/")

    def start(self, argv: Sequence[str | Path], env: Mapping[str, str] | None = None) -> Program:
        """Start a program in the world, with `env` added to a minimal environment. Its pid is that of the result.

        The pid belongs to nsenter(1) and setpriv(1) for the first milliseconds: they exec, and do not fork. A
        program that cannot be started ends with status 127, or 126, and says why.
        """
        inside = ["nsenter", f"--net=/proc/{self.pid}/ns/net", f"--mount=/proc/{self.pid}/ns/mnt", "--"]
        program = Program([*inside, "setpriv", "--pdeathsig", "KILL", "--", *argv], ENVIRONMENT | dict(env or {}))
        self._programs.append(program)
        return program

    def run(self, argv: Sequence[str | Path], env: Mapping[str, str] | None = None) -> str:
        """Run a program in the world to its end and return what it printed. Raises LabError where it fails."""
        program = self.start(argv, env)
        program.close_stdin()
        try:
            status = program.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            program.kill()
            raise LabError(f"{program} did not end in {START_SECONDS:g} s") from None
        if status:
            raise LabError(f"{program} ended with status {status}: {program.output().strip()}")
        return program.output()

    def nameserver(self, address: str, answers: Mapping[str, str]) -> Nameserver:
        """Start a nameserver on `address`, one of the world's, and return it once it is there to answer.

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
                raise LabError(f"{program} ended with status {program.poll()}: {program.output().strip()}")
            with socket.socket(socket.AF_UNIX) as client:
                return client.connect_ex(path) == 0

        wait_until(accepts, START_SECONDS, f"{path} to accept a connection")
        return program

    def write_resolv_conf(self, text: str, how: resolv_conf.Way = "rename") -> None:
        """Make `text` the world's /etc/resolv.conf, in one of the ways in which that happens (see resolv_conf.WAYS)."""
        resolv_conf.change(self.path("/etc"), text, how)

    def delete_resolv_conf(self) -> None:
        """Remove the world's /etc/resolv.conf. Raises FileNotFoundError where there is none."""
        self.path("/etc/resolv.conf").unlink()

    def _end(self) -> None:
        """End every program, then the holder, which kills what is left. It may be done already."""
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
