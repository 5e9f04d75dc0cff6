"""Lines of a resolv.conf that some resolvers take and others do not: tried with each (tests/zoo/test_readers.py).

Tried were glibc 2.36, musl 1.2.3, Go 1.19, c-ares 1.34, systemd-resolved 252 and dnspython 2.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from tracer.doctor.finding import Finding, warn
from tracer.doctor.lines import CHECK, Line, at

__all__ = ["REFUSED_BY", "Oddity", "glued_comments", "nul_bytes", "those_who_refuse"]

_GLUED = re.compile(rb"[0-9A-Fa-f:.]+[#;]")


class Oddity(StrEnum):
    """What is odd about the line of a nameserver."""

    NUL_BEHIND = "a NUL byte behind the address"
    NUL_BEFORE = "a NUL byte in the line before"
    GLUED_COMMENT = "a comment that sticks to the address"
    SPACED_COMMENT = "a comment behind the address"
    LEADING_BLANKS = "blanks before the keyword"
    CARRIAGE_RETURN = "a carriage return at the end"


REFUSED_BY: Mapping[Oddity, frozenset[str]] = {
    Oddity.NUL_BEHIND: frozenset({"musl", "Go", "c-ares", "dnspython"}),
    Oddity.NUL_BEFORE: frozenset({"musl"}),
    Oddity.GLUED_COMMENT: frozenset({"glibc", "musl", "Go", "dnspython"}),
    Oddity.SPACED_COMMENT: frozenset(),
    Oddity.LEADING_BLANKS: frozenset({"glibc", "musl"}),
    Oddity.CARRIAGE_RETURN: frozenset({"glibc"}),
}
"""Who takes no nameserver from such a line."""


def those_who_refuse(oddity: Oddity) -> str:
    """Name them in a sentence: ``glibc and musl``."""
    *names, last = sorted(REFUSED_BY[oddity], key=str.lower)
    return f"{', '.join(names)} and {last}" if names else last


def nul_bytes(data: bytes) -> Iterator[Finding]:
    """Find NUL bytes: what they do depends on the resolver, and no editor shows them."""
    numbers = [number for number, text in enumerate(data.split(b"\n"), 1) if b"\0" in text]
    if numbers:
        found = at([Line(number, b"", []) for number in numbers])
        what = f"{found}: NUL byte: {those_who_refuse(Oddity.NUL_BEHIND)} ignore the line, and musl the next one too"
        yield warn(CHECK, what, "sed -i 's/\\x00//g' /etc/resolv.conf")


def glued_comments(lines: Sequence[Line]) -> Iterator[Finding]:
    """Find comments that stick to an address."""
    found = [
        line
        for line in lines
        if line.is_for(b"nameserver") and len(line.words) > 1 and _GLUED.match(line.words[1]) is not None
    ]
    if found:
        who = those_who_refuse(Oddity.GLUED_COMMENT)
        yield warn(CHECK, f"{at(found)}: comment attached to the address: {who} ignore the line", "put a space between")
