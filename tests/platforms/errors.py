"""What goes wrong."""

from __future__ import annotations


class PlatformError(RuntimeError):
    """A root cannot be made or entered here; the text says why."""
