"""Who a process is to an administrator: what /proc tells, and what rules name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a process is to an administrator."""

    comm: str | None = None
    exe: str | None = None
    uid: int | None = None
    unit: str | None = None
    """Of the host's own manager, or ``user@UID/NAME``: see :class:`tracer.observe.units.Placement`."""
    container: str | None = None
    pod: str | None = None
    """``namespace/name`` of its Kubernetes pod: see :mod:`tracer.observe.pods`."""
    start: int | None = None
    """When it was forked, to the clock tick, in nanoseconds of CLOCK_BOOTTIME."""
    image: bytes | None = None
    """See :class:`tracer.observe.procfs.Running`."""
    inner_unit: str | None = None
    """Its unit inside of the container or machine."""
    runtime: str = ""
    """``lxc`` or ``nspawn``, if one of these runs it."""
    is_32_bit: bool = False
    """Whether it is a 32-bit program on a 64-bit kernel, whose system calls the tracepoints leave out."""
