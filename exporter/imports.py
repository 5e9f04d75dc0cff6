"""Imports without a library's optional dependencies."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_ABSENT: ModuleType | None = None
"""In ``sys.modules``: the module does not exist (the import system, "The module cache")."""


@contextmanager
def without_module(name: str) -> Iterator[None]:
    """Hide a module from imports in a ``with`` block; one that is already imported stays."""
    if name in sys.modules:
        yield
        return
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    modules[name] = _ABSENT
    try:
        yield
    finally:
        del modules[name]
