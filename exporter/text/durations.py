"""Durations as people write them: ``90s``, ``30m``, ``12h``, ``7d``, ``1d12h``."""

from __future__ import annotations

import re
from datetime import UTC, datetime

__all__ = ["SECONDS", "age", "local", "parse_duration", "short"]

_NANOSECONDS = 1_000_000_000
SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_FORM = re.compile(r"(?:\d+[dhms])+")
_PART = re.compile(r"(\d+)([dhms])")


def parse_duration(text: str) -> int:
    """Return a duration in seconds. Raises ValueError."""
    if not _FORM.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration: write it as 90s, 30m, 12h, 7d or 1d12h")
    return sum(int(number) * SECONDS[unit] for number, unit in _PART.findall(text))


def short(seconds: float) -> str:
    """Return a duration in its largest unit: ``3h``."""
    whole = max(int(seconds), 0)
    for unit, length in SECONDS.items():
        if whole >= length:
            return f"{whole // length}{unit}"
    return "0s"


def age(time: int, now: int) -> str:
    """Return the time from ``time`` to ``now``, both in nanoseconds since the Unix epoch, in its largest unit."""
    return short((now - time) / _NANOSECONDS)


def local(time: int) -> str:
    """Return a time, in nanoseconds since the Unix epoch, in the local time zone."""
    return f"{datetime.fromtimestamp(time // _NANOSECONDS, UTC).astimezone():%Y-%m-%d %H:%M:%S}"
