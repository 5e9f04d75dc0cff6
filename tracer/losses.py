"""What can be lost besides what the kernel side counts (``enum loss`` in bpf/records.h): never in silence."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

__all__ = ["Lost", "none_lost"]


class Lost(StrEnum):
    """Why something that happened could not be recorded whole."""

    VIEW_UNREADABLE = "view_unreadable"
    """Nobody was there any more through whom a process's resolv.conf could be looked at."""
    PROCESS_GONE = "process_gone"
    """A process ended before /proc was read, and the kernel side did not keep who it was: its name, program or unit."""
    PROCESS_HIDDEN = "process_hidden"
    """A process runs, and /proc does not show it: hidepid (proc(5)), or the /proc of another pid namespace."""
    UNATTRIBUTED = "unattributed"
    """Queries that left when no process was at work: how many."""
    DEPARTED_FORGOTTEN = "departed_forgotten"
    """Of what processes asked that are gone, an entry that had to make room."""
    STATE_NOT_SAVED = "state_not_saved"
    """A try to write the state directory that failed."""


def none_lost() -> Counter[str]:
    """Begin to count, with every reason at 0, so that the metric is there before the first loss."""
    return Counter({str(reason): 0 for reason in Lost})
