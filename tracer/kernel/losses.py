"""What can be lost besides what the kernel side counts (``enum loss`` in bpf/records.h): never in silence."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

__all__ = ["Lost", "Unidentified", "none_lost", "none_unidentified"]


class Lost(StrEnum):
    """Why something that happened could not be recorded whole."""

    VIEW_UNREADABLE = "view_unreadable"
    """Nobody was there any more through whom a process's resolv.conf could be looked at."""
    UNATTRIBUTED = "unattributed"
    """Queries that left when no process was at work: how many."""
    PAST_USE_FORGOTTEN = "past_use_forgotten"
    """Of what processes queried that have exited, an entry that had to make room."""
    STATE_NOT_SAVED = "state_not_saved"
    """A try to write the state directory that failed."""
    TICK_KILLED = "tick_killed"
    """The daemon before this one was killed: what happened within its last tick, at most; and of queries that changed
    nothing, what was counted since they were last saved."""


class Unidentified(StrEnum):
    """What was seen and counted, of which something less is not known: it can hide no stale process and no count."""

    PROCESS_GONE = "process_gone"
    """A process exited before /proc was read, and the kernel side did not keep its name, program or unit."""
    PROCESS_HIDDEN = "process_hidden"
    """A process runs, and /proc does not show it: hidepid (proc(5)), or the /proc of another pid namespace."""
    NO_RESOLV_CONF = "no_resolv_conf"
    """A process looked for resolv.conf in a root directory that holds none: a chroot."""

    VIEW_GONE = "view_gone"
    """A process read resolv.conf and exited, without a child, before its view could be determined."""


def none_lost() -> Counter[str]:
    """Begin to count, with every reason at 0, so that the metric is there before the first loss."""
    return Counter({str(reason): 0 for reason in Lost})


def none_unidentified() -> Counter[str]:
    """Begin to count, as :func:`none_lost`."""
    return Counter({str(reason): 0 for reason in Unidentified})
