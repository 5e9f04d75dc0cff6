"""A snapshot as ``check --json`` prints it and the feed sends it, schema ``resolvtrace/1``.

Its keys are the fields of :mod:`tracer.report.snapshot`; times are RFC 3339 UTC strings, and null means "not known".
"""

from __future__ import annotations

from typing import Any

from exporter.feed.serialization import decode, encode
from tracer.report.snapshot import Snapshot

__all__ = ["SCHEMA", "from_json", "to_json"]

SCHEMA = "resolvtrace/1"
"""Name and major version; keys may be added, not renamed or removed."""


def to_json(snapshot: Snapshot) -> dict[str, Any]:
    """Return the whole snapshot; every string in it can be encoded as UTF-8."""
    return {"schema": SCHEMA, **encode(snapshot)}


def from_json(form: dict[str, Any]) -> Snapshot:
    """Return the snapshot, without what only /metrics has. Raises ValueError if a key is missing or of another form."""
    return decode(Snapshot, form)
