"""A snapshot in the form of ``check --json``, schema ``resolvtrace/1``."""

from __future__ import annotations

from datetime import UTC, datetime

from exporter.escape import valid_text
from exporter.wire import SCHEMA, Check, Generation, Nameserver, Past, Process, Read, View
from tracer.snapshot import GenerationView, LastRead, NameserverUse, PastUse, ProcessSnapshot, Snapshot, ViewSnapshot

__all__ = ["check", "rfc3339"]

_NANOSECONDS = 1_000_000_000


def rfc3339(nanoseconds: int) -> str:
    """Return a time since the Unix epoch as RFC 3339 UTC with six sub-second digits (what is below is cut off)."""
    seconds, rest = divmod(nanoseconds, _NANOSECONDS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def _time(nanoseconds: int | None) -> str | None:
    return None if nanoseconds is None else rfc3339(nanoseconds)


def _text(text: str | None) -> str | None:
    return None if text is None else valid_text(text)


def check(snapshot: Snapshot) -> Check:
    """Return the whole snapshot; every string in it can be encoded as UTF-8."""
    return {
        "schema": SCHEMA,
        "time": rfc3339(snapshot.time),
        "version": snapshot.version,
        "views": [_view(view) for view in snapshot.views],
        "processes": [_process(process) for process in snapshot.processes],
        "past_uses": [_past_use(use) for use in snapshot.past_uses],
        "watching_since": rfc3339(snapshot.watching_since),
        "health": {
            "lost": dict(snapshot.lost),
            "probes": {probe.name: probe.attached for probe in snapshot.probes},
        },
    }


def _view(view: ViewSnapshot) -> View:
    return {
        "id": view.id,
        "mount_ns": view.mount_ns,
        "path": valid_text(view.path),
        "generation": view.generation,
        "nameservers": list(view.nameservers),
        "also_listed": list(view.also_listed),
        "implicit": view.implicit,
        "changed_at": rfc3339(view.changed_at),
        "history": [_generation(generation) for generation in view.history],
    }


def _generation(generation: GenerationView) -> Generation:
    return {
        "generation": generation.generation,
        "nameservers": list(generation.nameservers),
        "from": rfc3339(generation.since),
        "until": _time(generation.until),
    }


def _process(process: ProcessSnapshot) -> Process:
    read = process.last_read
    return {
        "pid": process.pid,
        "started_at": _time(process.started_at),
        "comm": valid_text(process.comm),
        "exe": _text(process.exe),
        "uid": process.uid,
        "unit": _text(process.unit),
        "container": _text(process.container),
        "pod": process.pod,
        "view": process.view,
        "owner": process.owner,
        "worker": process.worker,
        "workers": process.workers,
        "lookup_path": process.lookup_path.value,
        "last_read": None if read is None else _read(read),
        "reads": [_read(one) for one in process.reads],
        "looked_at": _time(process.looked_at),
        "answered_at": _time(process.answered_at),
        "state": process.state.value,
        "stale_since": _time(process.stale_since),
        "nameservers": [_nameserver(use) for use in process.nameservers],
        "reason": valid_text(process.reason),
        "advice": valid_text(process.advice),
    }


def _read(read: LastRead) -> Read:
    return {"generation": read.generation, "at": rfc3339(read.at)}


def _nameserver(use: NameserverUse) -> Nameserver:
    return {
        "address": use.address,
        "port": use.port,
        "transport": use.transport.value,
        "estimated": use.estimated,
        "state": use.state.value,
        "queries": use.queries,
        "queries_since_removed": use.queries_since_removed,
        "worker_queries": use.worker_queries,
        "first_query": _time(use.first_query),
        "last_query": _time(use.last_query),
        "stale_since": _time(use.stale_since),
        "rules": [valid_text(name) for name in use.rules],
        "ignored": use.ignored,
    }


def _past_use(use: PastUse) -> Past:
    return {
        "address": use.address,
        "unit": _text(use.unit),
        "exe": _text(use.exe),
        "view": use.view,
        "queries": use.queries,
        "last_query": rfc3339(use.last_query),
    }
