"""Notifications to systemd: readiness, status, watchdog (sd_notify(3), sd_watchdog_enabled(3))."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

__all__ = ["ServiceManager"]

_MICROSECONDS = 1_000_000


class ServiceManager:
    """The service manager that started this process; without one, nothing is sent."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._path = environment.get("NOTIFY_SOCKET", "")
        microseconds = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_seconds = int(microseconds) / _MICROSECONDS if microseconds.isdecimal() and ours else None
        """The watchdog's timeout; None without one."""
        self._alive_at = float("-inf")
        self._status = ""

    def ready(self) -> None:
        """Report readiness."""
        self._notify("READY=1")

    def reloading(self) -> None:
        """Report that the configuration is being reloaded, until :meth:`ready`."""
        self._notify(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Report that the daemon is stopping."""
        self._notify("STOPPING=1")

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows, if it has changed."""
        if text != self._status:
            self._status = text
            self._notify(f"STATUS={text}")

    def alive(self) -> None:
        """Reset the watchdog. Call it only from the main loop, so that a loop that hangs is noticed."""
        if self.seconds_alive <= 0:
            self._alive_at = time.monotonic()
            self._notify("WATCHDOG=1")

    @property
    def seconds_alive(self) -> float:
        """How many seconds are left until :meth:`alive` resets the watchdog again: infinite without one."""
        if self.watchdog_seconds is None:
            return float("inf")
        return self._alive_at + self.watchdog_seconds / 4 - time.monotonic()

    def _notify(self, state: str) -> None:
        if not self._path:
            return
        address = f"\0{self._path[1:]}" if self._path.startswith("@") else self._path
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            try:
                manager.sendto(state.encode(), socket.MSG_DONTWAIT, address)
            except OSError:
                return  # a manager that is busy or has exited is no reason to stop
