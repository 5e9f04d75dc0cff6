"""Time: CLOCK_BOOTTIME inside, as the kernel side keeps it; wall-clock time only for show."""

from __future__ import annotations

import time


class Clock:
    """The machine's clocks, in nanoseconds. Tests give another."""

    def boot(self) -> int:
        """Time since boot, suspends included: it never jumps."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def suspended(self) -> int:
        """For how long since boot the machine was suspended: what it is ahead of CLOCK_MONOTONIC."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)

    def wall(self) -> int:
        """Time since the Unix epoch: an administrator or NTP may set it."""
        return time.time_ns()

    def wall_offset(self) -> int:
        """Give what to add to a boot time to show it."""
        return self.wall() - self.boot()
