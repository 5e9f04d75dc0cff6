"""The lines above the table of ``top``: the host's nameservers, how many are in which state, what was lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from exporter.durations import short
from exporter.escape import printable
from exporter.tableform import Table
from exporter.top.arrangement import Arrangement

__all__ = ["Shown", "header"]

_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Shown:
    """What stands above the table beside the sample: how it is arranged, and how the daemon fares."""

    arrangement: Arrangement
    paused: bool = False
    trouble: str = ""
    """Why no sample comes."""
    reconnected: bool = False


def header(table: Table, shown: Shown) -> list[tuple[str, str]]:
    """Return the lines, each with what it is about: title, host, states, trouble."""
    lines = [("title", _title(table, shown)), ("host", _host(table)), ("states", _states(table))]
    if table["lost"]:
        lost = ", ".join(f"{reason} {count}" for reason, count in table["lost"].items())
        lines.append(("trouble", f"Lost, so the picture may have gaps: {lost}"))
    if table["detached"]:
        lines.append(("trouble", f"Probes not attached: {', '.join(table['detached'])}"))
    if shown.trouble:
        lines.append(("trouble", f"{printable(shown.trouble)}; trying again"))
    elif shown.reconnected:
        lines.append(("title", "Connected to the daemon again"))
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
    if arranged.needle:
        words.append(f"with: {printable(arranged.needle)}")
    return "  ".join(words)


def _host(table: Table) -> str:
    host = table["host"]
    if host is None:
        return "Nameservers of this host: not known"
    implicit = " (implicit: the file names none)" if host["implicit"] else ""
    ago = short((table["time"] - host["changed_at"]) / _SECOND)
    since = f"changed {ago} ago" if host["generation"] > 1 else f"unchanged for {ago}"
    return f"Nameservers: {', '.join(host['nameservers'])}{implicit}; {since}"


def _states(table: Table) -> str:
    return "  ".join(f"{count} {state}" for state, count in table["states"].items()) or "nobody is tracked yet"
