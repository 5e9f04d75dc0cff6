"""Lets other users reach a file of this checkout even if the directories above it are closed to them (/root is)."""

from __future__ import annotations

import stat
from pathlib import Path

_OPEN = """\
exec 3<"$1"
mount -t tmpfs -o mode=755 opened "$2"
mkdir -p "$1"
mount --no-canonicalize --bind /proc/self/fd/3 "$1"
exec 3<&-
shift 2
exec "$@"
"""


def opened(directory: Path) -> list[str]:
    """Give a command before another that needs the directory as a user who may not enter those above it.

    It makes a mount namespace in which the topmost closed one leads to the directory and has nothing else in it. Takes
    root. Empty if all are open. Their own modes stay as they are, and so does the directory's.
    """
    closed = [above for above in directory.parents if not above.stat().st_mode & stat.S_IXOTH]
    if not closed:
        return []
    namespace = ["unshare", "--mount", "--propagation", "private"]
    return [*namespace, "sh", "-ec", _OPEN, "sh", str(directory), str(closed[-1])]
