"""The latest events, numbered, and those who follow them (``resolvtrace events``).

What is remembered is bounded. Each follower has a place of its own in it: one that never reads delays nobody, and takes
no memory beyond its socket's buffer.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any
from uuid import uuid4

from exporter.feed.event_json import to_json
from exporter.feed.serialization import rfc3339
from tracer.report.events import Event

__all__ = ["EventLog", "follow"]

_KEPT = 8192
_AT_ONCE = 64
"""Events that a follower has to take in at a time."""
_NANOSECONDS = 1_000_000_000


class EventLog:
    """The latest events. ``run`` names this run of the daemon, within which their numbers rise from 0."""

    def __init__(self, kept: int = _KEPT) -> None:
        """Remember at most ``kept`` events."""
        self.run = uuid4().hex
        self.next = 0
        """The number of the event that comes next."""
        self._began = time.time_ns()
        self._events: deque[Event] = deque(maxlen=kept)
        self._followers: set[asyncio.Event] = set()

    def add(self, events: Sequence[Event]) -> None:
        """Remember events, and wake up those who wait for them. Call it in the event loop's thread."""
        self._events.extend(events)
        self.next += len(events)
        for follower in self._followers if events else ():
            follower.set()

    @property
    def oldest(self) -> int:
        """The number of the oldest that is remembered."""
        return self.next - len(self._events)

    @property
    def complete_since(self) -> int:
        """From when on every event is remembered; nanoseconds since the Unix epoch."""
        return self._events[0].at if self.oldest else self._began

    def first_since(self, at: int) -> int:
        """Return the number of the first event at this time or later."""
        return next((number for number, event in enumerate(self._events, self.oldest) if event.at >= at), self.next)

    def get(self, first: int, most: int) -> list[Event]:
        """Return events from a number on, as far as they are remembered."""
        begin = max(first - self.oldest, 0)
        return list(islice(self._events, begin, begin + most))

    @contextmanager
    def follower(self) -> Iterator[asyncio.Event]:
        """Yield what is set whenever events are added."""
        woken = asyncio.Event()
        self._followers.add(woken)
        try:
            yield woken
        finally:
            self._followers.discard(woken)


async def follow(
    log: EventLog,
    request: Mapping[str, object],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    deadline: asyncio.Timeout,
) -> None:
    """Write a line on the log, then a line for each event, until the client hangs up.

    ``request`` has ``"seconds"`` for what happened in the last seconds too, or ``"run"`` and ``"next"`` to go on after
    a lost connection. A client that takes longer for some lines than ``deadline`` allows now is an error.
    """
    loop = asyncio.get_running_loop()
    timeout = (deadline.when() or loop.time()) - loop.time()
    number = _first(log, request)
    head = {"run": log.run, "next": number, "complete_since": rfc3339(log.complete_since)}
    writer.write(_line({"events": head}))
    hung_up = asyncio.ensure_future(reader.read(1))
    try:
        with log.follower() as woken:
            while not hung_up.done():
                woken.clear()
                while events := log.get(number, _AT_ONCE):
                    deadline.reschedule(loop.time() + timeout)
                    missed = max(log.oldest - number, 0)
                    number += missed + len(events)
                    writer.write(_lines(events, missed, number))
                    await writer.drain()
                await writer.drain()
                deadline.reschedule(None)
                await _first_of(hung_up, woken)
    finally:
        hung_up.cancel()


def _first(log: EventLog, request: Mapping[str, object]) -> int:
    match request:
        case {"run": log.run, "next": int(number)}:
            return min(number, log.next)
        case {"run": str()}:  # of the previous daemon: all that this one has is news
            return 0
        case {"seconds": int(seconds)}:
            return log.first_since(time.time_ns() - seconds * _NANOSECONDS)
        case _:
            return log.next


def _lines(events: Sequence[Event], missed: int, after: int) -> bytes:
    lines = [_line({"missed": missed})] if missed else []
    lines += [
        _line({"next": number, "event": to_json(event)}) for number, event in enumerate(events, after - len(events) + 1)
    ]
    return b"".join(lines)


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


async def _first_of(hung_up: asyncio.Future[bytes], woken: asyncio.Event) -> None:
    waiting: asyncio.Future[bool] = asyncio.ensure_future(woken.wait())
    either: set[asyncio.Future[Any]] = {hung_up, waiting}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
