"""The lines above the table of ``top``: the host's nameservers, processes by state, warnings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from exporter.escape import printable
from exporter.feed.top_table import Table
from exporter.text.durations import short
from exporter.top.arrangement import Arrangement

__all__ = ["Shown", "header"]

_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Shown:
    """What the header shows besides the sample: the arrangement, and whether the daemon answers."""

    arrangement: Arrangement
    paused: bool = False
    failure: str = ""
    """Why no sample came."""
    reconnected: bool = False


def header(table: Table, shown: Shown) -> list[tuple[str, str]]:
    """Return the lines, each with its kind: title, host, states or warning."""
    lines = [("title", _title(table, shown)), ("host", _host(table)), ("states", _states(table))]
    if table["lost"]:
        lost = ", ".join(f"{reason} {count}" for reason, count in table["lost"].items())
        lines.append(("warning", f"Events lost, stale processes may be missing: {lost}"))
    if table["detached"]:
        lines.append(("warning", f"Probes not attached: {', '.join(table['detached'])}"))
    if shown.failure:
        lines.append(("warning", f"{printable(shown.failure)}; retrying"))
    elif shown.reconnected:
        lines.append(("title", "Reconnected to the daemon"))
    return lines


def _title(table: Table, shown: Shown) -> str:
    at = datetime.fromtimestamp(table["time"] // _SECOND).astimezone()
    arranged = shown.arrangement
    words = ["resolvtrace top", f"{at:%H:%M:%S}"]
    if shown.paused:
        words.append("PAUSED")
    if arranged.only_stale:
        words.append("only stale")
    if arranged.grouped:
        words.append("by unit")
    if arranged.filter:
        words.append(f"filter: {printable(arranged.filter)}")
    return "  ".join(words)


def _host(table: Table) -> str:
    host = table["host"]
    if host is None:
        return "Nameservers of this host: unknown"
    implicit = " (the default: the file lists none)" if host["implicit"] else ""
    ago = short((table["time"] - host["changed_at"]) / _SECOND)
    since = f"changed {ago} ago" if host["generation"] > 1 else f"unchanged for {ago}"
    return f"Nameservers: {', '.join(host['nameservers'])}{implicit}; {since}"


def _states(table: Table) -> str:
    return "  ".join(f"{count} {state}" for state, count in table["states"].items()) or "no process tracked yet"
