"""An event as ``events`` prints it, schema ``resolvtrace/events/1``, and as the daemon logs it: the same fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exporter.feed.serialization import encode, rfc3339
from tracer.report.events import Event
from tracer.report.snapshot import NameserverUse

__all__ = ["EVENTS_SCHEMA", "fields_of", "to_json"]

EVENTS_SCHEMA = "resolvtrace/events/1"
"""Name and major version; keys and kinds of events may be added, not renamed or removed."""

_OF_VIEW = ("path", "generation", "nameservers", "also_listed", "removed", "changed_at")
_OF_PROCESS = ("pid", "started_at", "comm", "exe", "uid", "unit", "container", "pod", "view")
_OF_VERDICT = ("reason", "advice")


def to_json(event: Event) -> dict[str, object]:
    """Return one event; every string in it can be encoded as UTF-8."""
    return {"schema": EVENTS_SCHEMA, "time": rfc3339(event.at), "event": event.kind.value, **fields_of(event)}


def fields_of(event: Event) -> dict[str, object]:
    """Return the fields of an event besides its time and kind, named as in ``check --json``."""
    fields: dict[str, object] = {}
    if event.view is not None:
        form = encode(event.view)
        fields |= {"view": form["id"], **_some(form, _OF_VIEW)}
    if event.process is not None:
        form = encode(event.process)
        fields |= _some(form, _OF_PROCESS)
        if event.nameserver is not None and event.why is None:
            fields |= _use([use for use in event.process.nameservers if use.address == event.nameserver])
            fields |= _some(form, _OF_VERDICT)
    if event.nameserver is not None:
        fields["nameserver"] = event.nameserver
    if event.stale_since is not None:
        fields["stale_since"] = rfc3339(event.stale_since)
    if event.why is not None:
        fields["why"] = event.why.value
    return fields


def _some(form: Mapping[str, object], names: tuple[str, ...]) -> dict[str, object]:
    return {name: form[name] for name in names}


def _moment(time: int | None) -> str | None:
    return None if time is None else rfc3339(time)


def _use(uses: Sequence[NameserverUse]) -> dict[str, object]:
    last = max((use.last_query for use in uses if use.last_query is not None), default=None)
    return {
        "queries_since_removed": sum(use.queries_since_removed for use in uses),
        "last_query": _moment(last),
        **({"answers": uses[0].answers.value, "last_answer": _moment(uses[0].last_answer)} if uses else {}),
    }
