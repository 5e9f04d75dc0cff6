"""The test's end of a puppet: a process that follows commands (tests/programs/puppet.c)."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import struct
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from tests.support.building import build

__all__ = ["Refused", "Remote"]

SECONDS = 30.0
_CREDENTIALS = struct.calcsize("3i")


class Refused(Exception):  # noqa: N818 - named for what happened
    """The kernel refused an act, or the process is gone."""


class Remote:
    """A puppet, by its socket. Its holder stops it, and what it created goes on."""

    def __init__(self, ours: socket.socket) -> None:
        self._socket = ours
        self.pid = 0
        self._handle = -1

    @classmethod
    def begin(cls) -> Self:
        """Start the first one."""
        ours, theirs = _pair()
        with theirs:
            argv = [str(build("puppet", "-static", "-pthread")), str(theirs.fileno())]
            # Its parent is a shell that is gone: nobody has to reap it.
            detached = ["sh", "-c", '"$@" </dev/null >/dev/null &', "sh", *argv]
            subprocess.run(detached, check=True, pass_fds=[theirs.fileno()])
        return cls(ours)._introduced()

    def create(self, how: str) -> Remote:
        """Let it create a process: `fork`, `fork-twice` or `spawn`."""
        ours, theirs = _pair()
        with theirs:
            self._send(how, [theirs.fileno()])
        made = Remote(ours)._introduced()
        _refuse(how, self._answer())
        return made

    def do(self, *acts: str) -> None:
        """Let it act, once after the other, and wait until it has. Raises Refused."""
        self._send("\n".join(acts))
        _refuse("; ".join(acts), self._answer())

    def execute(self) -> None:
        """Let it exec itself."""
        self._send("exec")
        self._receive()

    def end(self, number: signal.Signals | None = None) -> None:
        """Let it exit, or kill it; wait until it has exited."""
        with suppress(Refused, ProcessLookupError):
            if number is None:
                self._send("exit")
            else:
                signal.pidfd_send_signal(self._handle, number)
        ended = select.poll()
        ended.register(self._handle, select.POLLIN)
        if not ended.poll(1000 * SECONDS):
            raise Refused(f"{self.pid} does not end")
        self.close()

    def close(self) -> None:
        """Kill it if it lives, and let go of it."""
        if self._handle >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            os.close(self._handle)
            self._handle = -1
        self._socket.close()

    def _introduced(self) -> Self:
        self._receive()
        self._handle = os.pidfd_open(self.pid)
        return self

    def _send(self, text: str, descriptors: Sequence[int] = ()) -> None:
        try:
            socket.send_fds(self._socket, [text.encode()], list(descriptors))
        except OSError as error:
            raise Refused(f"{self.pid} is gone: {error}") from error

    def _receive(self) -> str:
        """Take a packet; who sent it is in its credentials, by the pid that we know it by."""
        try:
            packet, notes, _, _ = self._socket.recvmsg(65536, socket.CMSG_SPACE(_CREDENTIALS))
        except OSError as error:
            raise Refused(f"{self.pid} does not answer: {error}") from error
        if not packet:
            raise Refused(f"{self.pid} is gone")
        for level, kind, content in notes:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                self.pid = struct.unpack("3i", content[:_CREDENTIALS])[0]
        return packet.decode()

    def _answer(self) -> list[int]:
        return [int(word) for word in self._receive().split()]


def _pair() -> tuple[socket.socket, socket.socket]:
    """Give our end and theirs; each packet that comes says who sent it, the first one too."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(SECONDS)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    return ours, theirs


def _refuse(acts: str, results: list[int]) -> None:
    for result in results:
        if result < 0:
            raise Refused(f"{acts}: {errno.errorcode.get(-result, result)}")
