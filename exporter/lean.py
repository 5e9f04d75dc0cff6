"""Imports without what a library takes only where it happens to be installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_ABSENT: ModuleType | None = None
"""What an import takes for "there is no such module" (the import system, "The module cache")."""


@contextmanager
def absent(name: str) -> Iterator[None]:
    """Let no import find a module in a ``with`` block; one that is imported already is left as it is."""
    if name in sys.modules:
        yield
        return
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    modules[name] = _ABSENT
    try:
        yield
    finally:
        del modules[name]
