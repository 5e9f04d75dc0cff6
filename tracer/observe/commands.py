"""Command lines, from /proc/PID/cmdline (proc(5)): memory of processes nobody trusts, cut and made safe to show."""

from __future__ import annotations

MOST_BYTES = 256


def commands(proc: str, _pid: int, *pids: int) -> list[list[str] | None]:
    """Read the command line of each process; None where it is gone, or has none."""
    return [_command(proc, pid) for pid in pids]


def _command(proc: str, pid: int) -> list[str] | None:
    try:
        with open(f"{proc}/{pid}/cmdline", "rb", buffering=0) as file:
            line = file.read(MOST_BYTES + 1)
    except OSError:
        return None
    # A program that sets its title leaves NULs or blanks behind it (setproctitle(3)).
    words = line[:MOST_BYTES].rstrip(b"\0 ").split(b"\0")
    return [_shown(word) for word in words] if words != [b""] else None


def _shown(word: bytes) -> str:
    text = word.decode("utf-8", "backslashreplace")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
