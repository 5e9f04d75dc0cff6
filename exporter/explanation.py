"""What ``explain`` prints, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from textwrap import wrap

from exporter.durations import age
from exporter.escape import printable
from exporter.timeline import timeline
from exporter.wire import SCHEMA, Check, Process

__all__ = ["as_json", "explanation"]

_WIDEST_TEXT = 100
_PATHS = {
    "nscd": "looks names up through nscd",
    "nss": "looks names up through NSS, and nobody is at nscd's socket",
    "resolved": "looks names up through systemd-resolved",
    "sssd": "looks names up through SSSD",
    "mixed": "looks names up through nscd, and asks nameservers itself too",
    "direct": "asks nameservers itself",
}
_NARROW = 64
"""Below so many columns a time stands on a line of its own."""


def explanation(check: Check, process: Process, width: int | None = None) -> str:
    """Return who it is, what happened in order of time, why it is in its state, and what to do."""
    fits = min(width - 1 if width else _WIDEST_TEXT, _WIDEST_TEXT)
    lines = [*_who(process, fits), "", *_events(check, process, fits), ""]
    told = [("State", _state(check, process)), ("Seen", process["reason"]), ("Do", process["advice"])]
    for title, text in [*told, *_rules(process)]:
        lines += wrap(printable(text), fits, initial_indent=f"{title + ':':<7}", subsequent_indent=" " * 7)
    return "\n".join(lines) + "\n"


def _who(process: Process, width: int) -> Iterator[str]:
    parts = [f"{process['comm']}, pid {process['pid']}"]
    if process["unit"]:
        parts.append(process["unit"])
    if process["pod"]:
        parts.append(f"pod {process['pod']}")
    if process["container"]:
        parts.append(f"container {process['container'][:12]}")
    if process["uid"] is not None:
        parts.append(f"uid {process['uid']}")
    if process["view"] not in {None, "host"}:
        parts.append(f"resolv.conf {process['view']}")
    yield from wrap(printable(", ".join(parts)), width)
    if process["worker"]:
        yield from wrap(
            f"It uses what process {process['owner']} read: resolvtrace explain {process['owner']} tells more.", width
        )
    elif process["workers"]:
        yield from wrap(f"It has had {process['workers']} workers, which use what it read.", width)


def _events(check: Check, process: Process, width: int) -> Iterator[str]:
    now = check["time"]
    for event in timeline(check, process):
        moment = f"{datetime.fromisoformat(event.at).astimezone():%Y-%m-%d %H:%M:%S}  {age(event.at, now):>4} ago"
        if width < _NARROW:
            yield moment
            yield from wrap(printable(event.text), width, initial_indent="  ", subsequent_indent="  ")
        else:
            indent = " " * (len(moment) + 2)
            yield from wrap(printable(event.text), width, initial_indent=f"{moment}  ", subsequent_indent=indent)


def _rules(process: Process) -> Iterator[tuple[str, str]]:
    for use in process["nameservers"]:
        if use["rules"]:
            what = f"ignored (it is {use['state']})" if use["ignored"] else "expected"
            yield "Rule", f"{use['address']} is {what}, by {', '.join(use['rules'])}"


def _state(check: Check, process: Process) -> str:
    since = process["stale_since"]
    flagged = f" for {age(since, check['time'])}" if since else ""
    path = _PATHS.get(process["lookup_path"])
    return "; ".join(text for text in (process["state"] + flagged, path) if text)


def as_json(check: Check, process: Process) -> dict[str, object]:
    """Return the process as in the check form, with its ``events``."""
    return {
        "schema": SCHEMA,
        "time": check["time"],
        "process": process,
        "events": [{"at": event.at, "text": event.text} for event in timeline(check, process)],
    }
