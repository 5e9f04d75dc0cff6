"""What ends the demo early."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Trouble(Exception):  # noqa: N818 - named for what it is
    """The demo cannot go on, or the flag did not behave; the message is one line for an administrator.

    ``log`` is the end of the private daemon's log, which is gone with the demo; empty where no daemon is to blame.
    """

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


class Stopped(BaseException):
    """Somebody told the demo to stop; ``number`` is the signal. No Exception, so that nothing on the way takes it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def stoppable() -> Iterator[Callable[[], None]]:
    """Let SIGINT, SIGTERM and SIGHUP raise Stopped within a ``with`` block, the first of them alone.

    Yields a function to call before the clean-up begins: from then on they are ignored, and nothing interrupts it.
    Those that the caller's environment ignores (nohup, `&` in a script) stay ignored.
    """
    before = {number: handler for number in _SIGNALS if (handler := signal.getsignal(number)) is not signal.SIG_IGN}

    def ignore() -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)

    def stop(number: int, _: FrameType | None) -> None:
        ignore()
        raise Stopped(number)

    for number in before:
        signal.signal(number, stop)
    try:
        yield ignore
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
