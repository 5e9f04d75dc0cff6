"""The lines of a resolv.conf as glibc takes them, and how findings speak of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["CHECK", "LINES_SHOWN", "Line", "at", "lines_of", "shown"]

CHECK = "resolv.conf"
LINES_SHOWN = 3
"""So many of a kind are named; a file may have any number."""
_LONGEST_WORD = 48


class Line(NamedTuple):
    """One line, without its end and what stands behind a NUL; ``words`` are apart by any white space."""

    number: int
    text: bytes
    words: list[bytes]

    def is_for(self, *keywords: bytes) -> bool:
        """Whether glibc takes it for one of these: at the very start, with a blank behind it (its MATCH)."""
        return any(self.text.startswith((keyword + b" ", keyword + b"\t")) for keyword in keywords)


def lines_of(data: bytes) -> list[Line]:
    """Split a file; there is always a line, if an empty one."""
    texts = [text.partition(b"\0")[0] for text in data.split(b"\n")]
    return [Line(number, text, text.split()) for number, text in enumerate(texts, 1)]


def shown(text: bytes) -> str:
    """Give a word of a file, cut where it is long."""
    whole = text.decode(errors="surrogateescape")
    return whole if len(whole) <= _LONGEST_WORD else whole[: _LONGEST_WORD - 1] + "…"


def at(lines: Sequence[Line]) -> str:
    """Say where: ``line 3``; ``lines 1, 2, 3 and 4 more``."""
    numbers = list(dict.fromkeys(line.number for line in lines))
    first = ", ".join(map(str, numbers[:LINES_SHOWN]))
    more = f" and {len(numbers) - LINES_SHOWN} more" if len(numbers) > LINES_SHOWN else ""
    return f"line{'s' if len(numbers) > 1 else ''} {first}{more}"
