"""Waiting for a condition, not for a fixed time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.01
timeout_factor = 1.0
"""How many times as long as usual anything may take: more on an emulated machine."""


def wait_until(predicate: Callable[[], T | None], timeout: float, what: str) -> T:
    """Return the first true value of `predicate`, called every 10 ms for at most `timeout` seconds.

    Raises TimeoutError, with `what` in its message, and what `predicate` raises.
    """
    deadline = time.monotonic() + timeout * timeout_factor
    while not (value := predicate()):
        if time.monotonic() >= deadline:
            raise TimeoutError(f"waited {timeout * timeout_factor:g} s for {what}")
        time.sleep(POLL_SECONDS)
    return value
