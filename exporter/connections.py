"""Limits for the clients of every server here: how long one may take, and that all are closed at the end."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

__all__ = ["BACKLOG", "Connections", "bounded", "current_task", "cut_off"]

BACKLOG = 32
"""Connections that wait in the kernel; asyncio accepts this many at once, before any of them can be refused."""

_RESET_AT_ONCE = struct.pack("ii", 1, 0)
"""struct linger, socket(7): unsent data is dropped, so a client that never reads holds no kernel memory."""


class Connections:
    """The clients of one server, each with the task that serves it."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._ending = False

    def __len__(self) -> int:
        return len(self._tasks)

    def begin(self, serving: Coroutine[None, None, None], writer: asyncio.StreamWriter) -> asyncio.Task[None] | None:
        """Serve one more client with ``serving``; its socket is closed afterwards, even if that fails.

        Returns the task, or None once :meth:`end` was called.
        """
        if self._ending:
            serving.close()
            cut_off(writer)
            return None
        task = asyncio.get_running_loop().create_task(serving)
        self._tasks[task] = writer
        task.add_done_callback(self._done)
        return task

    def drop(self, task: asyncio.Task[None]) -> None:
        """Close one client; it is no longer counted."""
        cut_off(self._tasks.pop(task))
        task.cancel()

    async def end(self) -> None:
        """Close every client now, wait until they are closed, and accept no other."""
        self._ending = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        writer = self._tasks.pop(task, None)
        if writer is not None and not writer.is_closing():
            cut_off(writer)


@asynccontextmanager
async def bounded(writer: asyncio.StreamWriter, seconds: float) -> AsyncIterator[asyncio.Timeout]:
    """Serve a client in the block, for at most ``seconds``. The deadline is yielded and may be rescheduled.

    A client that is too slow or disconnects is not an error. In the block ``drain()`` waits until the kernel has taken
    every byte, so nothing is left to send afterwards.
    """
    writer.transport.set_write_buffer_limits(0)
    try:
        async with asyncio.timeout(seconds) as deadline:
            yield deadline
        writer.close()
    except OSError:  # TimeoutError, ConnectionError and ssl.SSLError are among them
        cut_off(writer)


def cut_off(writer: asyncio.StreamWriter) -> None:
    """Close a client's socket now, even if it has not read everything."""
    own: socket.socket | None = writer.get_extra_info("socket")
    if own is not None and own.fileno() >= 0:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_ONCE)
    writer.transport.abort()


def current_task() -> asyncio.Task[None]:
    """Return the running task. Raises RuntimeError outside of one."""
    task: asyncio.Task[None] | None = asyncio.current_task()
    if task is None:
        raise RuntimeError("not in a task")
    return task
