"""The one kind of error that is shown to an administrator as it is: what went wrong, and what to do."""

from __future__ import annotations


class StoppedError(Exception):
    """It was asked to stop before it was ready."""


class ResolvtraceError(Exception):
    """One line that says what is wrong, and one that says what to do about it."""

    exit_status = 1
    """Of a command that it ends."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}: {remedy}")
