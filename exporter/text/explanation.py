"""What ``explain`` prints, for people and as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from textwrap import wrap

from exporter.escape import printable, valid_text
from exporter.feed.check_json import SCHEMA
from exporter.feed.serialization import encode, rfc3339
from exporter.text.durations import age, local
from exporter.text.report import without_answers
from exporter.text.timeline import timeline
from tracer.report.snapshot import ProcessSnapshot, Snapshot

__all__ = ["as_json", "explanation"]

_WIDEST_TEXT = 100
_PATHS = {
    "nscd": "looks up names through nscd",
    "nss": "looks up names through NSS; nscd is not running",
    "resolved": "looks up names through systemd-resolved",
    "sssd": "looks up names through SSSD",
    "mixed": "looks up names through nscd, and queries nameservers directly too",
    "direct": "queries nameservers directly",
}
_NARROW = 64
"""Below this width a time goes on a line of its own."""


def explanation(check: Snapshot, process: ProcessSnapshot, width: int | None = None) -> str:
    """Return which process it is, what happened in order of time, why it is in its state, and what to do."""
    fits = min(width - 1 if width else _WIDEST_TEXT, _WIDEST_TEXT)
    lines = [*_who(process, fits), "", *_events(check, process, fits), ""]
    now = [("Now", text) for text in without_answers(process, check.time)]
    said = [("State", _state(check, process)), *now, ("Seen", process.reason), ("Do", process.advice)]
    for title, text in [*said, *_rules(process)]:
        lines += wrap(printable(text), fits, initial_indent=f"{title + ':':<7}", subsequent_indent=" " * 7)
    return "\n".join(lines) + "\n"


def _who(process: ProcessSnapshot, width: int) -> Iterator[str]:
    parts = [f"{process.comm}, pid {process.pid}"]
    if process.unit:
        parts.append(process.unit)
    if process.pod:
        parts.append(f"pod {process.pod}")
    if process.container:
        parts.append(f"container {process.container[:12]}")
    if process.uid is not None:
        parts.append(f"uid {process.uid}")
    if process.view not in {None, "host"}:
        parts.append(f"resolv.conf {process.view}")
    yield from wrap(printable(", ".join(parts)), width)
    if process.command:
        yield from wrap(f"Command: {shlex.join(process.command)}", width, subsequent_indent="  ")
    if process.worker:
        owner = process.owner
        yield from wrap(f"Worker of process {owner}: see resolvtrace explain {owner} for its resolver state.", width)
    elif process.workers:
        yield from wrap(f"It has had {process.workers} workers, which use its resolver state.", width)


def _events(check: Snapshot, process: ProcessSnapshot, width: int) -> Iterator[str]:
    now = check.time
    for event in timeline(check, process):
        moment = f"{local(event.at)}  {age(event.at, now):>4} ago"
        if width < _NARROW:
            yield moment
            yield from wrap(printable(event.text), width, initial_indent="  ", subsequent_indent="  ")
        else:
            indent = " " * (len(moment) + 2)
            yield from wrap(printable(event.text), width, initial_indent=f"{moment}  ", subsequent_indent=indent)


def _rules(process: ProcessSnapshot) -> Iterator[tuple[str, str]]:
    for use in process.nameservers:
        if use.rules:
            what = f"ignored (it is {use.state})" if use.ignored else "expected"
            yield "Rule", f"{use.address} is {what}, by {', '.join(use.rules)}"


def _state(check: Snapshot, process: ProcessSnapshot) -> str:
    since = process.stale_since
    flagged = f" for {age(since, check.time)}" if since else ""
    path = _PATHS.get(process.lookup_path)
    return "; ".join(text for text in (process.state + flagged, path) if text)


def as_json(check: Snapshot, process: ProcessSnapshot) -> dict[str, object]:
    """Return the process as in ``check --json``, with its ``events``."""
    return {
        "schema": SCHEMA,
        "time": rfc3339(check.time),
        "process": encode(process),
        "events": [{"at": rfc3339(event.at), "text": valid_text(event.text)} for event in timeline(check, process)],
    }
