"""The page at ``/``: what is stale on this host now. Plain HTML that loads and runs nothing."""

from __future__ import annotations

import base64
import hashlib
import socket
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html import escape

from exporter.escape import printable
from exporter.prometheus.groups import Group, groups, stale_processes, without_answers
from exporter.text.durations import short
from tracer.report.answering import nameservers_answering
from tracer.report.snapshot import Snapshot, ViewSnapshot
from tracer.verdict.states import SEVERITY, State

__all__ = ["HEADERS", "landing"]

REFRESH_SECONDS = 5
_SECOND = 1_000_000_000
_MOST_CHANGES = 10
_STYLE = """
:root { color-scheme: light dark; --stale: #b00020; --outdated: #8a1f8a; --well: #1b6e2c; --line: #8884; }
@media (prefers-color-scheme: dark) { :root { --stale: #ff8a80; --outdated: #ea9cea; --well: #8fdc9f; } }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 1rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.3rem; }
h2 { font-size: 1.05rem; margin-top: 1.8rem; }
.flag { border-left: .4rem solid; font-size: 1.2rem; padding: .4rem .8rem; }
.stale, .failing { color: var(--stale); } .outdated { color: var(--outdated); } .well { color: var(--well); }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .8rem .25rem 0; text-align: left; }
td, th { white-space: nowrap; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)
"""A browser loads and runs nothing for this page, and caches no copy."""


def landing(snapshot: Snapshot, telemetry_path: str) -> str:
    """Return the page. Text from processes is escaped."""
    host = next((view for view in snapshot.views if view.id == "host"), None)
    parts = [
        _flag(snapshot),
        *_groups("Stale, without answers: lookups fail now", "failing", without_answers(snapshot), snapshot),
        *_groups("Stale", "stale", groups(snapshot, State.STALE), snapshot),
        *_groups("Outdated", "outdated", groups(snapshot, State.OUTDATED), snapshot),
        *_nameservers(host, snapshot),
        *_states(snapshot),
        *_health(snapshot),
        _links(telemetry_path),
    ]
    name, body = _text(socket.gethostname()), "\n".join(part for part in parts if part)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="{REFRESH_SECONDS}">
<link rel="icon" href="data:,">
<title>{stale_processes(snapshot)} stale on {name} - resolvtrace</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>resolvtrace on {name}</h1>
{body}
<p>{_moment(snapshot.time)}; watching since {_moment(snapshot.watching_since)} \
({short((snapshot.time - snapshot.watching_since) / _SECOND)}). Version {_text(snapshot.version)}.</p>
</body>
</html>
"""


def _text(value: object) -> str:
    return escape(printable(str(value)))


def _moment(time: int) -> str:
    at = datetime.fromtimestamp(time // _SECOND, UTC)
    return f'<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{at:%Y-%m-%d %H:%M:%S} UTC</time>'


def _flag(snapshot: Snapshot) -> str:
    count = stale_processes(snapshot)
    if not count:
        text = "Nothing is stale: no process queries a nameserver that resolv.conf no longer lists."
        return f'<p class="flag well">{text}</p>'
    who = "1 process is stale: it queries" if count == 1 else f"{count} processes are stale: they query"
    return f'<p class="flag stale">{who} a nameserver that resolv.conf no longer lists.</p>'


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _groups(title: str, kind: str, found: list[Group], snapshot: Snapshot) -> Iterator[str]:
    if not found:
        return
    yield f'<h2 class="{kind}">{title}</h2>'
    yield _table(
        ("Unit or container", "Command", "Nameserver", "Processes", "For"),
        (
            (
                *(_text(label) or "-" for label in group.labels),
                str(group.processes),
                short((snapshot.time - group.since) / _SECOND) if group.since is not None else "-",
            )
            for group in found
        ),
    )
    if kind == "stale":
        yield "<p>Run <code>resolvtrace check</code> for the reasons and what to do.</p>"


def _nameservers(host: ViewSnapshot | None, snapshot: Snapshot) -> Iterator[str]:
    yield "<h2>Nameservers</h2>"
    if host is None:
        yield "<p>Unknown.</p>"
        return
    listed = ", ".join(_text(address) for address in host.nameservers)
    implicit = " (the default: the file lists none)" if host.implicit else ""
    also = (
        f" Also listed, but not used by glibc: {', '.join(map(_text, host.also_listed))}." if host.also_listed else ""
    )
    age = short((snapshot.time - host.changed_at) / _SECOND)
    yield f"<p><strong>{listed}</strong>{implicit}; since {_moment(host.changed_at)} ({age}).{also}</p>"
    silent = [_text(address) for address, answers in nameservers_answering(snapshot).items() if not answers]
    if silent:
        yield f'<p class="stale">No answers from {", ".join(silent)}.</p>'
    changes = [one for one in host.history if one.generation > 1][-_MOST_CHANGES:]
    if changes:
        yield "<h2>Changes</h2>"
        before = {one.generation: one.nameservers for one in host.history}
        yield _table(
            ("When", "Before", "After"),
            (
                (
                    _moment(one.since),
                    ", ".join(map(_text, before.get(one.generation - 1, ()))) or "unknown",
                    ", ".join(map(_text, one.nameservers)) or "none",
                )
                for one in reversed(changes)
            ),
        )


def _states(snapshot: Snapshot) -> Iterator[str]:
    counted = [process.state for process in snapshot.processes if not process.worker]
    if counted:
        yield "<h2>Processes</h2>"
        yield _table(
            ("State", "Processes"),
            ((state.value, str(counted.count(state))) for state in SEVERITY if state in counted),
        )


def _health(snapshot: Snapshot) -> Iterator[str]:
    lost = [f"{_text(reason)} {count}" for reason, count in snapshot.health.lost.items() if count]
    detached = [_text(probe.name) for probe in snapshot.health.probes if not probe.attached]
    if lost or detached:
        yield '<h2 class="stale">Stale processes may be missing</h2>'
    if lost:
        yield f"<p>Events lost: {', '.join(lost)}.</p>"
    if detached:
        yield f"<p>Probes not attached: {', '.join(detached)}.</p>"


def _links(telemetry_path: str) -> str:
    pages = ((telemetry_path, "Metrics"), ("/-/healthy", "Healthy"), ("/-/ready", "Ready"))
    links = " · ".join(f'<a href="{escape(path)}">{name}</a>' for path, name in pages)
    return f"<nav><p>{links}</p></nav>"
