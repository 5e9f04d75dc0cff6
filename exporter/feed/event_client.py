"""The commands' end of the feed of events: it connects again when the daemon is restarted, and goes on where it was."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import cast

from exporter.feed.client import NoDaemon, explain

__all__ = ["follow_events"]

_AGAIN_SECONDS = 1.0
_HEAD_SECONDS = 5.0


def follow_events(path: str, seconds: int | None, note: Callable[[str], None]) -> Iterator[dict[str, object]]:
    """Yield events as they happen, for ever, and first those of the last ``seconds`` if given.

    ``note`` is called with what is not an event: that the connection was lost, that events are missing. Raises NoDaemon
    if no daemon answers at first.
    """
    follower = _Follower(path, note)
    yield from follower.events({} if seconds is None else {"seconds": seconds})
    note("connection lost, waiting for the daemon")
    while True:
        time.sleep(_AGAIN_SECONDS)
        with suppress(NoDaemon):
            yield from follower.events({"run": follower.run, "next": follower.next})
            note("connection lost, waiting for the daemon")


class _Follower:
    """A place in the daemon's events, which outlives a connection."""

    def __init__(self, path: str, note: Callable[[str], None]) -> None:
        self._path = path
        self._note = note
        self.run = ""
        self.next = 0

    def events(self, request: dict[str, object]) -> Iterator[dict[str, object]]:
        """Yield events until the connection is lost. Raises NoDaemon if there is none."""
        with self._connect(request) as daemon, daemon.makefile("rb") as lines:
            try:
                self._begin(_object(lines.readline()), request)
                daemon.settimeout(None)
                for line in lines:
                    yield from self._take(_object(line))
            except TimeoutError as error:
                raise NoDaemon(f"the daemon on {self._path} did not answer", "see journalctl -u resolvtrace") from error
            except OSError:
                return

    def _connect(self, request: dict[str, object]) -> socket.socket:
        daemon = socket.socket(socket.AF_UNIX)
        try:
            daemon.settimeout(_HEAD_SECONDS)
            daemon.connect(self._path)
            with suppress(BrokenPipeError):  # a daemon that refuses the client says why before it closes
                daemon.sendall(json.dumps({"want": "events", **request}).encode() + b"\n")
        except OSError as error:
            daemon.close()
            raise NoDaemon(*explain(error, self._path)) from error
        return daemon

    def _begin(self, line: dict[str, object], request: dict[str, object]) -> None:
        head = line.get("events")
        if not isinstance(head, dict):
            why = line.get("error", "it sends no events")
            raise NoDaemon(f"the daemon on {self._path} refused: {why}", "use a daemon of this version")
        if self.run:
            self._note("connected again")
        if self.run and head["run"] != self.run:
            self._note("the daemon was restarted: what happened while none ran is not known")
        elif "seconds" in request:
            self._note_gap(head, cast("int", request["seconds"]))
        self.run, self.next = str(head["run"]), int(head["next"])

    def _note_gap(self, head: dict[str, object], seconds: int) -> None:
        if datetime.fromisoformat(str(head["complete_since"])).timestamp() > time.time() - seconds:
            self._note(f"events are known since {head['complete_since']}")

    def _take(self, line: dict[str, object]) -> Iterator[dict[str, object]]:
        if "missed" in line:
            self._note(f"{line['missed']} events missed: they were read too late")
        event = line.get("event")
        if isinstance(event, dict):
            self.next = cast("int", line["next"])
            yield event


def _object(line: bytes) -> dict[str, object]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
