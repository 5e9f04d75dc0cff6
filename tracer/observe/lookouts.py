"""Processes that look at what may never answer, so that the daemon never has to.

A thread would not do: one that waits for a file system in user space cannot be killed, and keeps its process, with all
that it holds open, from ending. A lookout holds one socket, has none of the capabilities that only loading takes, and
ends when the daemon does.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from tracer.observe import looks
from tracer.observe.lookout import CHANNEL

MOST = 8
_PATIENCE_SECONDS = 0.5
_KEPT = 16
_CODE = Path(__file__).resolve().parents[2]
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from tracer.observe import lookout; lookout.serve()"


class _Request(NamedTuple):
    kind: str
    proc: str
    pid: int
    arguments: tuple[Any, ...]


class _Lookout:
    """One of them, and what it is busy with."""

    def __init__(self) -> None:
        """Start it. Raises OSError."""
        self.waiting_for: _Request | None = None
        self.namespace: object = None
        self._channel, its = socket.socketpair()
        with its:
            # -I and -S: neither the environment nor the site's packages have a say in what it imports.
            argv = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(_CODE)]
            actions = [(os.POSIX_SPAWN_DUP2, its.fileno(), CHANNEL)]
            self._process = os.posix_spawn(sys.executable, argv, os.environ, file_actions=actions)
        self._replies: BinaryIO = self._channel.makefile("rb")
        self._poll = select.poll()  # select(2) takes no descriptor above 1023
        self._poll.register(self._channel, select.POLLIN)

    def ask(self, request: _Request) -> None:
        """Send it there. Raises ConnectionError where it has been killed."""
        self._channel.sendall(looks.request(request.kind, request.proc, request.pid, *request.arguments))

    def has_replied(self, seconds: float = 0) -> bool:
        """Whether there is a reply, or will be none, within so many seconds."""
        return bool(self._poll.poll(seconds * 1000))

    def reply(self) -> bytes:
        """Give the reply; nothing where it has been killed, which may raise ConnectionError too."""
        try:
            reply = self._replies.readline()
        finally:
            self.waiting_for = None
        return reply if reply.endswith(b"\n") else b""

    def close(self) -> None:
        """End it. One that waits for an answer ends when that comes, and is not waited for."""
        self._replies.close()
        self._channel.close()
        with suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, os.WNOHANG if self.waiting_for else 0)


class Lookouts:
    """One lookout, and one more for each that got no answer, up to eight; meanwhile nobody looks where one waits.

    An answer that comes late is given to whoever asks the same again: a file of a hundred megabytes, a slow disk.
    """

    def __init__(self, most: int = MOST, patience: float = _PATIENCE_SECONDS) -> None:
        """Start the first; where that fails it is tried again. ``patience`` is how many seconds a call waits."""
        self._most = most
        self._patience = patience
        self._late: dict[_Request, bytes] = {}
        self._lookouts: list[_Lookout] = []
        with suppress(TimeoutError):
            self._free()

    def __call__(self, kind: str, proc: str, pid: int, *arguments: Any) -> Any:
        """See :class:`tracer.observe.roots.Looker`. Takes no longer than the patience."""
        request = _Request(kind, proc, pid, arguments)
        self._take_late_replies()
        if (late := self._late.pop(request, None)) is not None:
            return looks.found(kind, late)
        namespace = _mount_namespace(proc, pid) if pid else _namespace_of_many(kind)
        if any(one.namespace == namespace for one in self._lookouts if one.waiting_for is not None):
            raise TimeoutError("a look before this one got no answer")
        lookout = self._free()
        try:
            lookout.ask(request)
            if not lookout.has_replied(self._patience):
                lookout.waiting_for, lookout.namespace = request, namespace
                raise TimeoutError("no answer")
            reply = lookout.reply()
        except ConnectionError:
            reply = b""
        if not reply:
            self._end(lookout)
            raise TimeoutError("the lookout was killed")
        return looks.found(kind, reply)

    def _free(self) -> _Lookout:
        for one in self._lookouts:
            if one.waiting_for is None:
                return one
        if len(self._lookouts) >= self._most:
            raise TimeoutError("no look gets an answer")
        try:
            self._lookouts.append(_Lookout())
        except OSError as error:
            raise TimeoutError(f"no lookout can be started: {error.strerror}") from error
        return self._lookouts[-1]

    def _take_late_replies(self) -> None:
        for lookout in [one for one in self._lookouts if one.waiting_for is not None and one.has_replied()]:
            request = lookout.waiting_for
            with suppress(ConnectionError):
                if request is not None and (reply := lookout.reply()):
                    self._late[request] = reply
                    continue
            self._end(lookout)
        while len(self._late) > _KEPT:
            del self._late[next(iter(self._late))]

    def _end(self, lookout: _Lookout) -> None:
        self._lookouts.remove(lookout)
        lookout.close()

    def close(self) -> None:
        """End them."""
        while self._lookouts:
            self._end(self._lookouts[0])


def _namespace_of_many(kind: str) -> object:
    """Name what a look at many waits in: none, but for command lines, of which one that waits is enough."""
    return kind if kind == "commands" else object()


def _mount_namespace(proc: str, pid: int) -> object:
    try:
        return os.stat(f"{proc}/{pid}/ns/mnt").st_ino
    except OSError:
        return pid, proc
