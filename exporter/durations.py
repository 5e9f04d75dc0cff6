"""Lengths of time as people write them: ``90s``, ``30m``, ``12h``, ``7d``, ``1d12h``."""

from __future__ import annotations

import re
from datetime import datetime

__all__ = ["SECONDS", "age", "parse_duration", "short"]

SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_FORM = re.compile(r"(?:\d+[dhms])+")
_PART = re.compile(r"(\d+)([dhms])")


def parse_duration(text: str) -> int:
    """Return the seconds that ``text`` means. Raises ValueError."""
    if not _FORM.fullmatch(text):
        raise ValueError(f"{text!r} is no length of time: write it as 90s, 30m, 12h, 7d or 1d12h")
    return sum(int(number) * SECONDS[unit] for number, unit in _PART.findall(text))


def short(seconds: float) -> str:
    """Return a length of time in its largest unit: ``3h``."""
    whole = max(int(seconds), 0)
    for unit, length in SECONDS.items():
        if whole >= length:
            return f"{whole // length}{unit}"
    return "0s"


def age(time: str, now: str) -> str:
    """Return how long before ``now`` a time was, both RFC 3339."""
    return short((datetime.fromisoformat(now) - datetime.fromisoformat(time)).total_seconds())
