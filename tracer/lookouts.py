"""Processes that look at what may never answer, so that the daemon never has to.

A thread would not do: one that waits for a file system in user space cannot be killed, and keeps its process, with all
that it holds open, from ending. A lookout holds one pipe. It is forked before the daemon has threads and probes, has
none of the capabilities that only loading takes, and ends when the daemon does.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from tracer.privileges import give_up_loading
from tracer.roots import look

_NUMBER = 3
_PATIENCE_SECONDS = 0.5
_KEPT = 16
_STANDARD = 3


class _Request(NamedTuple):
    kind: str
    proc: str
    pid: int
    arguments: tuple[Any, ...]


class _Answer(NamedTuple):
    value: Any
    error: OSError | None

    def give(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.value


@dataclass
class _Lookout:
    process: int
    pipe: Connection
    waiting_for: _Request | None = None
    namespace: object = None


class Lookouts:
    """A few lookouts. One that got no answer is busy until it does; meanwhile nobody looks where it looks.

    An answer that comes late is given to whoever asks the same again: a file of a hundred megabytes, a slow disk.
    """

    def __init__(self, number: int = _NUMBER, patience: float = _PATIENCE_SECONDS) -> None:
        """Fork them. ``patience`` is how many seconds a call waits. Call it before any thread is started."""
        self._patience = patience
        self._late: dict[_Request, _Answer] = {}
        gc.freeze()  # what is shared with them stays so
        self._lookouts = [_fork() for _ in range(number)]
        gc.unfreeze()

    def __call__(self, kind: str, proc: str, pid: int, *arguments: Any) -> Any:
        """See :class:`tracer.roots.Looker`. Takes no longer than the patience."""
        request = _Request(kind, proc, pid, arguments)
        self._take_late_answers()
        if (late := self._late.pop(request, None)) is not None:
            return late.give()
        namespace = _mount_namespace(proc, pid)
        free = [one for one in self._lookouts if one.waiting_for is None]
        if not free or any(one.namespace == namespace for one in self._lookouts if one.waiting_for is not None):
            raise TimeoutError("a look before this one got no answer")
        lookout = free[0]
        lookout.pipe.send(request)
        if not lookout.pipe.poll(self._patience):
            lookout.waiting_for, lookout.namespace = request, namespace
            raise TimeoutError("no answer")
        return self._answer_of(lookout).give()

    def _take_late_answers(self) -> None:
        for lookout in self._lookouts:
            request = lookout.waiting_for
            if request is not None and lookout.pipe.poll():
                self._late[request] = self._answer_of(lookout)
                lookout.waiting_for = None
        while len(self._late) > _KEPT:
            del self._late[next(iter(self._late))]

    def _answer_of(self, lookout: _Lookout) -> _Answer:
        try:
            return _Answer(*lookout.pipe.recv())
        except (EOFError, ConnectionError):  # killed, by whoever: one fewer
            self._lookouts.remove(lookout)
            return _Answer(None, TimeoutError("the lookout is gone"))

    def close(self) -> None:
        """End them. One that waits for an answer ends when that comes, and is not waited for."""
        for lookout in self._lookouts:
            lookout.pipe.close()
            with suppress(ProcessLookupError):
                os.kill(lookout.process, signal.SIGKILL)
            os.waitpid(lookout.process, os.WNOHANG if lookout.waiting_for else 0)
        self._lookouts = []


def _mount_namespace(proc: str, pid: int) -> object:
    try:
        return os.stat(f"{proc}/{pid}/ns/mnt").st_ino
    except OSError:
        return pid, proc


def _fork() -> _Lookout:
    ours, its = Pipe()
    process = os.fork()
    if process == 0:
        try:
            _keep_only(its.fileno())
            _serve(its, look)
        finally:
            os._exit(0)
    its.close()
    return _Lookout(process, ours)


def _keep_only(descriptor: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with the daemon, not before
    gc.disable()
    os.closerange(_STANDARD, descriptor)
    os.closerange(descriptor + 1, os.sysconf("SC_OPEN_MAX"))
    give_up_loading()


def _serve(pipe: Connection, look_at: Callable[..., Any]) -> None:
    while True:
        try:
            kind, proc, pid, arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((look_at(kind, proc, pid, *arguments), None))
        except OSError as error:
            pipe.send((None, error))
        except Exception as error:  # noqa: BLE001 - whatever stands below that root, it ends nobody
            pipe.send((None, OSError(errno.EIO, repr(error))))
