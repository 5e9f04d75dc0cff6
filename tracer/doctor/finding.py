"""What an examination finds: one line to each finding, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Result", "fail", "ok", "warn"]


class Result(StrEnum):
    """How a finding bears on tracing."""

    OK = "ok"
    WARN = "warn"
    """It works in part, or could not be looked at."""
    FAIL = "fail"
    """It does not work, or name resolution itself does not."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. The texts may hold bytes of a file as they stood there (PEP 383): escape them to show them."""

    check: str
    result: Result
    text: str
    remedy: str | None = None


def ok(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check, Result.OK, text)


def warn(check: str, text: str, remedy: str) -> Finding:
    """See Result.WARN."""
    return Finding(check, Result.WARN, text, remedy)


def fail(check: str, text: str, remedy: str) -> Finding:
    """See Result.FAIL."""
    return Finding(check, Result.FAIL, text, remedy)
