"""Waiting for a condition, never for a while."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.01


def wait_until(predicate: Callable[[], T | None], timeout: float, what: str) -> T:
    """Return the first true value of `predicate`, asked every 10 ms for at most `timeout` seconds.

    Raises TimeoutError, whose text says `what` was waited for; what `predicate` raises passes through.
    """
    deadline = time.monotonic() + timeout
    while not (value := predicate()):
        if time.monotonic() >= deadline:
            raise TimeoutError(f"waited {timeout:g} s for {what}")
        time.sleep(POLL_SECONDS)
    return value
