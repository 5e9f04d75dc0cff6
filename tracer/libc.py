"""The C library, for the calls that Python has not."""

from __future__ import annotations

import ctypes
import os

__all__ = ["LIBC", "checked"]

LIBC = ctypes.CDLL(None, use_errno=True)


def checked(result: int, name: str) -> int:
    """Give what a call returned. Raises OSError if that is negative, with the ``name`` of the file or of the call."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result
