"""How the probes and their maps fare."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProbeHealth:
    """One probe: is it attached, and what the kernel counted of it (None if it keeps no count)."""

    name: str
    attached: bool
    runs: int | None = None
    run_seconds: float | None = None
    required: bool = True
    """Whether the daemon is ready only with it."""


@dataclass(frozen=True, slots=True)
class MapHealth:
    """How full one BPF map was when it was last read."""

    name: str
    entries: int
    capacity: int
