"""The errors and signals that end the demo early."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DemoError(Exception):
    """The demo cannot continue, or the flag did not behave; the message is one line for an administrator.

    ``log``: the end of the private daemon's log, which is removed with the demo; empty if no daemon is involved.
    """

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


class Interrupted(BaseException):
    """A signal (``number``) stopped the demo. A BaseException, so that nothing catches it by accident."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Raise Interrupted in the ``with`` block on the first SIGINT, SIGTERM or SIGHUP.

    Yields a function that makes the block ignore them, to be called before the clean-up. Signals that are ignored
    already (nohup, `&` in a script) stay ignored.
    """
    before = {number: handler for number in _SIGNALS if (handler := signal.getsignal(number)) is not signal.SIG_IGN}

    def ignore() -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)

    def stop(number: int, _: FrameType | None) -> None:
        ignore()
        raise Interrupted(number)

    for number in before:
        signal.signal(number, stop)
    try:
        yield ignore
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
