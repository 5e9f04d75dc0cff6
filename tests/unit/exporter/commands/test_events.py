"""`resolvtrace events`: each event once, in order, whoever else reads or does not, and across a lost connection."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.cli import main
from exporter.feed.event_client import follow_events
from exporter.feed.event_log import EventLog
from exporter.feed.server import FeedServer, Limits
from exporter.logs import log_event
from tests.support.samples import HOSTILE, OLD, Served, full, process, running, snapshot, use
from tracer.report.events import Event, Kind, Why
from tracer.verdict.states import State

WAIT = 15


def raised(pid: int, **changes: Any) -> Event:
    """Return a flag that was raised just now."""
    flagged = process(pid, State.STALE, **changes)
    return Event(Kind.STALE, time.time_ns(), flagged, OLD, flagged.stale_since)


CHANGED = Event(Kind.CHANGED, 1, view=replace(snapshot().views[0], removed=(OLD,)))


@contextmanager
def feed(path: str, events: EventLog, **limits: float) -> Iterator[Callable[..., None]]:
    """Serve events; gives what adds some, in the server's loop."""
    with running(lambda: FeedServer.start(full, path, events=events, limits=Limits(**limits))) as server:  # type: ignore[arg-type]
        loop = server._server.get_loop()  # type: ignore[union-attr]

        def add(*added: Event) -> None:
            loop.call_soon_threadsafe(events.add, added)

        yield add


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a path short enough for a socket."""
    return str(tmp_path_factory.mktemp("e") / "s")


def pids(events: Iterator[dict[str, object]], number: int) -> list[object]:
    """Take some."""
    return [event["pid"] for event in islice(events, number)]


def test_an_event_is_one_line_of_json(path: str) -> None:
    """As it happens, with the fields of check --json; and a reader that goes away is gone."""
    with feed(path, EventLog()) as add:
        argv = [sys.executable, "-m", "exporter.cli", "events", "--socket", path, "--since", "1h"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as command:
            assert command.stdout is not None
            add(raised(4711, unit="sendmail.service", nameservers=(use(State.STALE),)))
            first = json.loads(command.stdout.readline())
            add(CHANGED, Event(Kind.CLEARED, 2, process(4711), OLD, 1, Why.EXITED))
            second, third = json.loads(command.stdout.readline()), json.loads(command.stdout.readline())
            command.kill()
    assert (first["schema"], first["event"], first["pid"]) == ("resolvtrace/events/1", "stale", 4711)
    assert (first["nameserver"], first["unit"], first["queries_since_removed"]) == (OLD, "sendmail.service", 12)
    assert first["advice"].startswith("Restart it")
    assert (second["event"], second["view"], second["removed"]) == ("changed", "host", [OLD])
    assert (third["event"], third["why"], third["time"]) == ("cleared", "it exited", "1970-01-01T00:00:00.000000Z")


def test_what_was_before_is_given_if_asked_for(path: str) -> None:
    """And only what lies in the period."""
    events = EventLog()
    old = replace(raised(1), at=time.time_ns() - 3600 * 10**9)
    events.add([old, raised(2)])
    with feed(path, events) as add:
        notes: list[str] = []
        assert pids(follow_events(path, 60, notes.append), 1) == [2]
        assert pids(follow_events(path, 7200, notes.append), 2) == [1, 2]
        follower = follow_events(path, None, notes.append)
        with ready(follower, add) as first:
            assert first["pid"] == 3
    assert any(note.startswith("events are known since") for note in notes)


@contextmanager
def ready(follower: Iterator[dict[str, object]], add: Callable[..., None]) -> Iterator[dict[str, Any]]:
    """Add events until the follower, which has to connect first, has one."""
    done = threading.Event()

    def keep_adding() -> None:
        while not done.wait(0.05):
            add(raised(3))

    adding = threading.Thread(target=keep_adding)
    adding.start()
    try:
        yield next(follower)
    finally:
        done.set()
        adding.join()


def test_a_follower_goes_on_where_it_was_when_the_daemon_is_restarted(path: str) -> None:
    """What the new one has had to tell since its start is news."""
    notes: list[str] = []
    first = EventLog()
    first.add([raised(1), raised(2)])
    follower = follow_events(path, 3600, notes.append)
    with feed(path, first):
        assert pids(follower, 1) == [1]
    second = EventLog()
    second.add([raised(3)])
    with feed(path, second):
        assert pids(follower, 2) == [2, 3]
    assert notes[-2:] == ["connected again", "the daemon was restarted: what happened while none ran is not known"]


def test_a_follower_that_was_cut_off_misses_nothing_and_gets_nothing_twice(path: str) -> None:
    """As one that is stopped for a while: `resolvtrace events | less`."""
    events = EventLog()
    events.add([raised(pid) for pid in range(1, 2001)])
    notes: list[str] = []
    with feed(path, events, seconds=0.3):
        follower = follow_events(path, 3600, notes.append)
        assert pids(follower, 1) == [1]
        deadline = time.monotonic() + WAIT
        while events._followers and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not events._followers, "one that does not read is not cut off"
        assert pids(follower, 1999) == list(range(2, 2001))
    assert notes[-2:] == ["connection lost, waiting for the daemon", "connected again"]


def test_who_never_reads_takes_nothing_from_others(path: str) -> None:
    """Each has its own place."""
    events = EventLog()
    events.add([raised(pid) for pid in range(1, 1001)])
    with feed(path, events) as add, socket.socket(socket.AF_UNIX) as idle:
        idle.connect(path)
        idle.sendall(b'{"want": "events", "seconds": 3600}\n')
        follower = follow_events(path, 3600, lambda _: None)
        assert pids(follower, 1000) == list(range(1, 1001))
        add(raised(1001))
        assert pids(follower, 1) == [1001]


def test_what_is_forgotten_is_reported(path: str) -> None:
    """A bounded memory: how many were missed."""
    events = EventLog(kept=10)
    notes: list[str] = []
    first = EventLog(kept=10)
    first.add([raised(1)])
    follower = follow_events(path, 3600, notes.append)
    with feed(path, first):
        assert pids(follower, 1) == [1]
        first.add([])
    events.run = first.run
    events.add([raised(pid) for pid in range(1, 101)])
    with feed(path, events):
        assert pids(follower, 10) == list(range(91, 101))
    assert notes[-1] == "89 events missed: they were read too late"


def test_followers_leave_room_for_others(daemon: Served, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One more than allowed gets an error; check still has its answer."""
    with feed(path, EventLog(), clients=4, followers=2):
        idle = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        for one in idle:
            one.connect(path)
            one.sendall(b'{"want": "events"}\n')
            assert b"complete_since" in one.recv(4096)
        assert main(["events", "--socket", path]) == 3
        assert "2 clients follow events already" in capsys.readouterr().err
        assert main(["check", "--socket", path]) == 1
        for one in idle:
            one.close()
    assert daemon.asked == 0


def test_without_a_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, status 3."""
    assert main(["events", "--socket", str(tmp_path / "none")]) == 3
    assert "no daemon is running" in capsys.readouterr().err


@pytest.mark.parametrize("since", ["soon", "", "1.5h"])
def test_a_period_that_is_none(since: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage."""
    with pytest.raises(SystemExit) as error:
        main(["events", "--since", since])
    assert error.value.code == 2
    assert "is not a duration" in capsys.readouterr().err


def test_a_hostile_name_is_valid_json(path: str) -> None:
    """And can be written to any pipe."""
    with feed(path, EventLog()) as add:
        argv = [sys.executable, "-m", "exporter.cli", "events", "--socket", path, "--since", "1h"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, env={**os.environ, "LC_ALL": "C"}) as command:
            assert command.stdout is not None
            add(raised(1, comm=HOSTILE))
            printed = json.loads(command.stdout.readline())
            command.kill()
    assert printed["comm"].startswith("\x1b[31m\n")


def test_the_log_has_the_same_fields() -> None:
    """Nameserver and advice among them, and why a flag was cleared."""
    with capture_logs() as lines:
        log_event(raised(1))
        log_event(Event(Kind.CLEARED, 2, process(4711), OLD, 1, Why.REREAD))
    assert (lines[0]["event"], lines[0]["log_level"], lines[0]["nameserver"]) == ("stale", "warning", OLD)
    assert lines[0]["advice"].startswith("Restart it")
    assert (lines[1]["event"], lines[1]["log_level"], lines[1]["why"]) == ("cleared", "info", str(Why.REREAD))
