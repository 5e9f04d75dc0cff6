"""What the daemon tells systemd: ready, how it fares, that it is alive (sd_notify(3), sd_watchdog_enabled(3))."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

__all__ = ["Service"]

_MICROSECONDS = 1_000_000


class Service:
    """The service manager that started this process, or none: then nothing is told to anybody."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._path = environment.get("NOTIFY_SOCKET", "")
        microseconds = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_seconds = int(microseconds) / _MICROSECONDS if microseconds.isdecimal() and ours else None
        """How long it waits for a sign of life; None where it does not."""
        self._alive_at = float("-inf")
        self._status = ""

    def ready(self) -> None:
        """Say that it is at work."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """Say that the configuration is being read again; :meth:`ready` ends it."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Say that it is about to end."""
        self._tell("STOPPING=1")

    def status(self, text: str) -> None:
        """Say how it fares, in a line that `systemctl status` shows; told where it has changed."""
        if text != self._status:
            self._status = text
            self._tell(f"STATUS={text}")

    def alive(self) -> None:
        """Give a sign of life: from the main loop and from nowhere else, or a loop that hangs would seem to live."""
        if self.watchdog_seconds is not None and time.monotonic() - self._alive_at >= self.watchdog_seconds / 4:
            self._alive_at = time.monotonic()
            self._tell("WATCHDOG=1")

    def _tell(self, state: str) -> None:
        if not self._path:
            return
        address = f"\0{self._path[1:]}" if self._path.startswith("@") else self._path
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            try:
                manager.sendto(state.encode(), socket.MSG_DONTWAIT, address)
            except OSError:
                return  # a manager that is gone or busy is no reason to stop
