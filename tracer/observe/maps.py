"""What a process's memory map tells (/proc/PID/maps, proc(5))."""

from __future__ import annotations

_HOSTS_TABLE = b"/nscd/hosts"


def maps_hosts_table(proc: str, pid: int) -> bool:
    """Whether a process has mapped nscd's table of names, as glibc does if it looks up names (nscd/nscd_helper.c)."""
    try:
        with open(f"{proc}/{pid}/maps", "rb") as file:
            return _HOSTS_TABLE in file.read()
    except OSError:
        return False
