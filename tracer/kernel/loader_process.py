"""The loader's process as the daemon sees it: forked early, sent the sizes, heard, and exited.

It is forked before the daemon reads its configuration, so that it gets the compiler ready (an import that takes a
tenth of a second and more) while the daemon reads and imports what it needs itself.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from tracer.errors import ResolvtraceError, StoppedError
from tracer.kernel.programs import Capacities
from tracer.kernel.words import Words

_MAX_DESCRIPTORS = 250
_ASK_SECONDS = 0.1
_MESSAGE_BYTES = 65536
_REMEDIES: dict[int, str] = {
    signal.SIGKILL: "if memory ran out, the kernel's log (dmesg) says so: free some, then start it again",
    signal.SIGSYS: "a seccomp filter forbids what loading needs: start it outside of that",
}
_REPORT = (
    "update python3-bpfcc; if that does not help, report this, with the versions of python3-bpfcc and of the kernel"
)


@dataclass
class Received:
    """One message of the loader's, with the descriptors that came with it."""

    message: dict[str, Any]
    descriptors: list[int]


class LoaderProcess:
    """The child that runs :mod:`tracer.kernel.loader`. Make it before any thread is started."""

    def __init__(self) -> None:
        self._channel, childs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._words = Words()
        self._child = os.fork()
        if self._child == 0:
            self._channel.close()
            self._words.take_stderr()
            from tracer.kernel import loader  # noqa: PLC0415 - what it imports is the child's alone

            loader.run(childs, self._words)
        childs.close()

    def load(self, capacities: Capacities) -> None:
        """Let it compile and load, with these sizes. Where it is gone, :meth:`receive` tells."""
        with suppress(BrokenPipeError):
            self._channel.send(json.dumps(asdict(capacities)).encode())

    def attach(self) -> None:
        """Let it attach the programs that count queries: its last work."""
        with suppress(BrokenPipeError):
            self._channel.send(b"attach")

    def receive(self, stopped: Callable[[], bool]) -> Received:
        """Wait for its next message. Raises the ResolvtraceError that it tells, and StoppedError."""
        while not select.select([self._channel], [], [], _ASK_SECONDS)[0]:
            if stopped():
                raise StoppedError
        try:
            data, descriptors, _flags, _address = socket.recv_fds(self._channel, _MESSAGE_BYTES, _MAX_DESCRIPTORS)
        except ConnectionResetError:  # it exited before it had read what it was sent
            data, descriptors = b"", []
        if not data:
            raise self._died()
        message = json.loads(data)
        if "problem" in message:
            self._end()
            raise ResolvtraceError(message["problem"], message["remedy"])
        return Received(message, list(descriptors))

    def finish(self) -> None:
        """Wait for its end."""
        self._channel.close()
        self._end()
        self._words.close()

    def close(self) -> None:
        """End it where it is still there."""
        self._channel.close()
        if self._child:
            with suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)
            self._end()
            self._words.close()

    def _end(self) -> int:
        """Wait for its end. Gives its status; below zero, the signal that killed it."""
        status = os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])
        self._child = 0
        return status

    def _died(self) -> ResolvtraceError:
        """Say how it came to its end, and what it, or C code in it, said last."""
        status = self._end()
        how = f"exited with status {status}"
        if status < 0:
            how = f"was killed by signal {-status} ({signal.strsignal(-status)})"
        words = self._words.text() or "it printed nothing"
        return ResolvtraceError(f"the loader {how}: {words}", _REMEDIES.get(-status, _REPORT))
