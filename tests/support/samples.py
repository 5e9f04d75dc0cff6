"""Snapshots to render, and a loop in a thread for the servers under test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from exporter.feed.event_log import EventLog
from tracer.kernel.health import MapHealth, ProbeHealth
from tracer.lookups import LookupPath, Transport
from tracer.report.snapshot import (
    GenerationView,
    Health,
    LastRead,
    NameserverUse,
    PastUse,
    ProcessSnapshot,
    Snapshot,
    ViewSnapshot,
)
from tracer.verdict.answers import Answers
from tracer.verdict.following import Follows
from tracer.verdict.states import State

FIXTURES = Path(__file__).parents[1] / "fixtures" / "exporter"
SECOND = 1_000_000_000
CHANGE = 1_785_315_600 * SECOND + 123_456_789
"""2026-07-29T09:00:00.123456789Z: when the host's resolv.conf was changed."""
OLD, NEW = "192.168.122.65", "192.168.122.72"
HOSTILE = '\x1b[31m\n"\\\u202e\udcff'
"""A comm as an attacker would have it: colour, newline, quote, backslash, right-to-left mark, a byte no UTF-8 has."""


def use(state: State, address: str = OLD, **changes: object) -> NameserverUse:
    """Return what a process sends to one nameserver."""
    plain = NameserverUse(
        address=address,
        port=53,
        transport=Transport.UDP,
        state=state,
        queries=168,
        queries_since_removed=12,
        worker_queries=0,
        first_query=CHANGE - 600 * SECOND,
        last_query=CHANGE + 230 * SECOND,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def process(pid: int, state: State = State.CURRENT, comm: str = "getip", **changes: object) -> ProcessSnapshot:
    """Return a process that is in ``state`` on its one nameserver."""
    since = changes.pop("stale_since", CHANGE + 20 * SECOND if state is State.STALE else None)
    plain = ProcessSnapshot(
        pid=pid,
        started_at=CHANGE - 3600 * SECOND + pid,
        comm=comm,
        exe=f"/usr/bin/{comm}",
        uid=0,
        unit=None,
        container=None,
        pod=None,
        view="host",
        owner=pid,
        worker=False,
        workers=0,
        lookup_path=LookupPath.NSS,
        last_read=LastRead(1, CHANGE - 3600 * SECOND),
        reads=(LastRead(1, CHANGE - 3600 * SECOND),),
        looked_at=None,
        answered_at=None,
        state=state,
        stale_since=since,  # type: ignore[arg-type]
        nameservers=(use(state, NEW if state is State.CURRENT else OLD, stale_since=since),),
        reason=f"It last read generation 1 and has sent 12 queries to {OLD} since that was removed.",
        advice="Restart it: systemctl restart getip.service",
        follows=Follows.NO if state is State.STALE else Follows.YES,
        follows_reason="is stale: it stayed" if state is State.STALE else "checks the file before it queries",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def snapshot(*processes: ProcessSnapshot, **changes: object) -> Snapshot:
    """Return a snapshot four minutes after the change, of these processes only."""
    host = ViewSnapshot(
        id="host",
        mount_ns=4026531841,
        path="/etc/resolv.conf",
        generation=2,
        nameservers=(NEW, "fe80::1%eth0"),
        also_listed=(),
        implicit=False,
        changed_at=CHANGE,
        history=(
            GenerationView(1, (OLD,), CHANGE - 3600 * SECOND, CHANGE),
            GenerationView(2, (NEW, "fe80::1%eth0"), CHANGE, None),
        ),
    )
    plain = Snapshot(
        time=CHANGE + 240 * SECOND,
        version="0.1.0",
        bcc="0.26.0",
        kernel="6.18.5",
        views=(host,),
        processes=processes,
        watching_since=CHANGE - 3600 * SECOND,
        past_uses=(),
        counted_until=CHANGE + 239 * SECOND,
        health=Health(),
        ready=True,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def full() -> Snapshot:
    """Return a snapshot with something of everything."""
    container = "4f5e2d8c9b1a7063f5e2d8c9b1a70634f5e2d8c9b1a70634f5e2d8c9b1a70634"
    mail = {"unit": "sendmail.service", "lookup_path": LookupPath.MIXED}
    view = ViewSnapshot(
        "4026532201:64768:1311", 4026532201, "/etc/resolv.conf", 1, (OLD,), ("10.0.0.9",), False, CHANGE - SECOND, ()
    )
    plain = snapshot(
        process(
            101,
            State.CURRENT,
            "sshd",
            unit="ssh.service",
            follows=Follows.NO,
            follows_reason="sent 168 queries over 840 s without checking or re-reading the file",
            nameservers=(use(State.CURRENT, NEW, answers=Answers.YES, last_answer=CHANGE + 230 * SECOND),),
        ),
        process(102, State.CURRENT, "cron", nameservers=(), lookup_path=LookupPath.NSCD, last_read=None),
        process(
            812,
            State.STALE,
            "sendmail-mta",
            **mail,
            workers=2,
            nameservers=(
                use(State.STALE, queries=3, worker_queries=131, stale_since=CHANGE + 20 * SECOND),
                use(State.RETIRED, "10.0.0.9"),
            ),
            reason=f"Its 2 workers use the resolver state it read as generation 1: 131 queries to {OLD} since.",
            advice="Restart it: systemctl restart sendmail.service (nscd cannot help: MX lookups go past it)",
        ),
        process(4801, State.STALE, "sendmail-mta", **mail, owner=812, worker=True),
        process(4802, State.CURRENT, "sendmail-mta", **mail, owner=812, worker=True),
        process(
            4711,
            State.STALE,
            "getip",
            stale_since=CHANGE + 40 * SECOND,
            started_at=None,
            exe=None,
            uid=None,
            command=("/usr/bin/getip", "--loop", "a name"),
        ),
        process(
            4712,
            State.STALE,
            "getip",
            stale_since=CHANGE + 30 * SECOND,
            lookup_path=LookupPath.DIRECT,
            nameservers=(
                use(
                    State.STALE,
                    stale_since=CHANGE + 30 * SECOND,
                    answers=Answers.NO,
                    last_answer=CHANGE + 120 * SECOND,
                ),
            ),
        ),
        process(5000, State.STALE, HOSTILE, unit="user@1000.service", advice=f"kill {HOSTILE}"),
        process(
            6000,
            State.OUTDATED,
            "node",
            container=container,
            view=view.id,
            nameservers=(use(State.OUTDATED, transport=Transport.TCP), use(State.OUTDATED)),
        ),
        process(7000, State.GRACE, "java", nameservers=(use(State.GRACE, "2001:db8:1234:5678:9abc:def0:1234:5678"),)),
        process(8000, State.UNLISTED, "dig", nameservers=(use(State.UNLISTED, "9.9.9.9"),)),
        process(8001, State.RETIRED, "ntpd"),
        process(8002, State.QUIET, "ss-server"),
        watching_since=CHANGE - 3600 * SECOND,
        past_uses=(PastUse(OLD, "cron.service", "/usr/bin/backup", "host", 23, CHANGE - SECOND),),
        queries_total={(State.STALE, Transport.UDP): 1234, (State.CURRENT, Transport.TLS): 23},
        changes_total={"host": 1, "~other": 0},
        health=Health(
            lost={"ring_full": 3, "map_full": 0},
            unidentified={"process_gone": 7},
            probes=(ProbeHealth("egress", True, 4242, 0.000123), ProbeHealth("openat2", False)),
        ),
        maps=(MapHealth("pairs", 17, 10240),),
    )
    return replace(plain, views=(*plain.views, view))


class _Closable(Protocol):
    async def close(self) -> None: ...


Server = TypeVar("Server", bound=_Closable)


@contextmanager
def running(start: Callable[[], Coroutine[None, None, Server]]) -> Iterator[Server]:
    """Run a server in a loop of its own, so that a test may be its blocking client."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        try:
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Served:
    """The feed of a snapshot that a test may change."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.snapshot: Snapshot = full()
        self.events = EventLog()
        self.asked = 0

    def ask(self) -> Snapshot:
        """Give the snapshot, and count the request."""
        self.asked += 1
        return self.snapshot
