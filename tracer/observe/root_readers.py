"""Processes that read below other root directories, where a file system may never answer: the daemon never waits.

A thread would not do: one that waits for a file system in user space cannot be killed, and keeps its process, with all
that it holds open, from exiting. A reader holds one socket, has none of the capabilities that only loading takes, and
exits when the daemon does.
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

from tracer.observe import root_requests
from tracer.observe.root_reader_process import CHANNEL

MOST = 8
_TIMEOUT_SECONDS = 0.5
_KEPT = 16
_CODE = Path(__file__).resolve().parents[2]
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from tracer.observe.root_reader_process import serve; serve(*map(int, sys.argv[2:]))"
)


class _Request(NamedTuple):
    kind: str
    proc: str
    pid: int
    arguments: tuple[Any, ...]


class _ReaderProcess:
    """One of them, and the request that it waits for."""

    def __init__(self, shared: tuple[int, ...]) -> None:
        """Start it, with these descriptors open under the same numbers. Raises OSError."""
        self.waiting_for: _Request | None = None
        self.namespace: object = None
        self._channel, its = socket.socketpair()
        with its:
            # -I and -S: neither the environment nor the site's packages change what it imports.
            argv = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(_CODE), *map(str, shared)]
            # A descriptor that is duplicated to itself stays open in the child: posix_spawn_file_actions_adddup2(3p).
            actions = [(os.POSIX_SPAWN_DUP2, one, one) for one in shared]
            actions.append((os.POSIX_SPAWN_DUP2, its.fileno(), CHANNEL))
            self._process = os.posix_spawn(sys.executable, argv, os.environ, file_actions=actions)
        self._replies: BinaryIO = self._channel.makefile("rb")
        self._poll = select.poll()  # select(2) takes no descriptor above 1023
        self._poll.register(self._channel, select.POLLIN)

    def send(self, request: _Request) -> None:
        """Send it a request. Raises ConnectionError if it has been killed."""
        self._channel.sendall(root_requests.request(request.kind, request.proc, request.pid, *request.arguments))

    def has_replied(self, seconds: float = 0) -> bool:
        """Whether there is a reply, or will be none, within so many seconds."""
        return bool(self._poll.poll(seconds * 1000))

    def reply(self) -> bytes:
        """Give the reply; nothing if it has been killed, which may raise ConnectionError too."""
        try:
            reply = self._replies.readline()
        finally:
            self.waiting_for = None
        return reply if reply.endswith(b"\n") else b""

    def close(self) -> None:
        """Kill it. One that waits for an answer exits when that comes, and is not waited for."""
        self._replies.close()
        self._channel.close()
        with suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, os.WNOHANG if self.waiting_for else 0)


class RootReaders:
    """One reader, and one more for each that got no answer, up to eight; in a mount namespace only one ever waits.

    A late answer is given to the next request for the same: a file of a hundred megabytes, a slow disk.
    """

    def __init__(self, shared: tuple[int, ...] = (), most: int = MOST, timeout: float = _TIMEOUT_SECONDS) -> None:
        """Start the first; if that fails it is tried again. ``timeout`` is how many seconds a call waits.

        ``shared`` are descriptors that requests name.
        """
        self._shared = shared
        self._most = most
        self._timeout = timeout
        self._late: dict[_Request, bytes] = {}
        self._readers: list[_ReaderProcess] = []
        with suppress(TimeoutError):
            self._free()

    def __call__(self, kind: str, proc: str, pid: int, *arguments: Any) -> Any:
        """See :class:`tracer.observe.roots.RootReader`. Takes no longer than the timeout."""
        request = _Request(kind, proc, pid, arguments)
        self._take_late_replies()
        if (late := self._late.pop(request, None)) is not None:
            return root_requests.found(kind, late)
        namespace = _mount_namespace(proc, pid) if pid else _namespace_of_many(kind)
        if any(one.namespace == namespace for one in self._readers if one.waiting_for is not None):
            raise TimeoutError("an earlier request got no answer")
        reader = self._free()
        try:
            reader.send(request)
            if not reader.has_replied(self._timeout):
                reader.waiting_for, reader.namespace = request, namespace
                raise TimeoutError("no answer")
            reply = reader.reply()
        except ConnectionError:
            reply = b""
        if not reply:
            self._kill(reader)
            raise TimeoutError("the root reader was killed")
        return root_requests.found(kind, reply)

    def _free(self) -> _ReaderProcess:
        for one in self._readers:
            if one.waiting_for is None:
                return one
        if len(self._readers) >= self._most:
            raise TimeoutError("no root reader is free")
        try:
            self._readers.append(_ReaderProcess(self._shared))
        except OSError as error:
            raise TimeoutError(f"no root reader can be started: {error.strerror}") from error
        return self._readers[-1]

    def _take_late_replies(self) -> None:
        for reader in [one for one in self._readers if one.waiting_for is not None and one.has_replied()]:
            request = reader.waiting_for
            with suppress(ConnectionError):
                if request is not None and (reply := reader.reply()):
                    self._late[request] = reply
                    continue
            self._kill(reader)
        while len(self._late) > _KEPT:
            del self._late[next(iter(self._late))]

    def _kill(self, reader: _ReaderProcess) -> None:
        self._readers.remove(reader)
        reader.close()

    def close(self) -> None:
        """Kill them."""
        while self._readers:
            self._kill(self._readers[0])


def _namespace_of_many(kind: str) -> object:
    """Name what a request for many waits in: nothing, but for command lines, of which one that waits is enough."""
    return kind if kind == "commands" else object()


def _mount_namespace(proc: str, pid: int) -> object:
    try:
        return os.stat(f"{proc}/{pid}/ns/mnt").st_ino
    except OSError:
        return pid, proc
