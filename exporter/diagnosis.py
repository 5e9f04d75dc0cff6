"""What ``doctor`` prints, for people and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from textwrap import wrap

from exporter.escape import printable, valid_text
from exporter.table import width_of
from exporter.wire import SCHEMA
from tracer.examination import Finding, Result

__all__ = ["as_json", "diagnosis"]

_WIDEST_TEXT = 100
_LEAST_TEXT = 24
_GAP = "  "
_REMEDY = "Do: "


def diagnosis(findings: Sequence[Finding], width: int | None = None) -> str:
    """Return a line to each finding, its remedy below it, and the sum.

    ``width`` is the terminal's; None where each text is to stay on its line, as for grep(1).
    """
    marks = max(map(len, Result))
    names = max((width_of(finding.check) for finding in findings), default=0)
    lines = [line for finding in findings for line in _lines(finding, marks, names, width)]
    return "\n".join([*lines, "", _sum(findings)]) + "\n"


def _lines(finding: Finding, marks: int, names: int, width: int | None) -> Iterator[str]:
    head = f"{finding.result:<{marks}}{_GAP}{finding.check:<{names}}{_GAP}"
    yield from _wrapped(finding.text, head, width)
    if finding.remedy is not None:
        yield from _wrapped(finding.remedy, " " * len(head) + _REMEDY, width)


def _wrapped(text: str, head: str, width: int | None) -> list[str]:
    shown = printable(text)
    if width is None:
        return [head + shown]
    fits = max(min(width - 1, _WIDEST_TEXT), len(head) + _LEAST_TEXT)
    return wrap(shown, fits, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)


def _sum(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.result for finding in findings)
    words = ((Result.FAIL, "failure"), (Result.WARN, "warning"))
    parts = [f"{counts[result]} {word}{'s' if counts[result] > 1 else ''}" for result, word in words if counts[result]]
    return f"{', '.join(parts)}." if parts else "All is well."


def as_json(findings: Sequence[Finding]) -> dict[str, object]:
    """Return the same as a value of schema resolvtrace/1."""
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
