"""What ``doctor`` prints, for people and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from textwrap import wrap

from exporter.escape import printable, valid_text
from exporter.feed.check_json import SCHEMA
from exporter.text.table import width_of
from tracer.doctor import Finding, Result

__all__ = ["as_json", "diagnosis"]

_WIDEST_TEXT = 100
_LEAST_TEXT = 24
"""If fewer columns are left for a text, it goes on lines of its own."""
_GAP = "  "
_REMEDY = "Do: "


def diagnosis(findings: Sequence[Finding], width: int | None = None) -> str:
    """Return one line for each finding, its remedy below it, and the totals.

    ``width`` is the terminal's; None keeps each text on its line, for grep(1).
    """
    marks = max(map(len, Result))
    names = max((width_of(finding.check) for finding in findings), default=0)
    lines = [line for finding in findings for line in _lines(finding, marks, names, width)]
    return "\n".join([*lines, "", _totals(findings)]) + "\n"


def _lines(finding: Finding, marks: int, names: int, width: int | None) -> Iterator[str]:
    fits = None if width is None else min(width - 1, _WIDEST_TEXT)
    head = f"{finding.result:<{marks}}{_GAP}{finding.check:<{names}}{_GAP}"
    indent = " " * len(head)
    if fits is not None and fits < len(head) + _LEAST_TEXT:
        yield head.rstrip()
        head = indent = _GAP
    yield from _wrapped(finding.text, head, indent, fits)
    if finding.remedy is not None:
        yield from _wrapped(finding.remedy, indent + _REMEDY, indent, fits)


def _wrapped(text: str, head: str, indent: str, fits: int | None) -> list[str]:
    shown = printable(text)
    if fits is None:
        return [head + shown]
    return wrap(shown, fits, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False)


def _totals(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.result for finding in findings)
    words = ((Result.FAIL, "failure"), (Result.WARN, "warning"))
    parts = [f"{counts[result]} {word}{'s' if counts[result] > 1 else ''}" for result, word in words if counts[result]]
    return f"{', '.join(parts)}." if parts else "All is well."


def as_json(findings: Sequence[Finding]) -> dict[str, object]:
    """Return the findings as JSON of schema resolvtrace/1."""
    return {
        "schema": SCHEMA,
        "findings": [
            {
                "check": finding.check,
                "result": str(finding.result),
                "finding": valid_text(finding.text),
                "remedy": None if finding.remedy is None else valid_text(finding.remedy),
            }
            for finding in findings
        ],
    }
