"""Writes the JSON schema of ``check --json``: ``make schema``."""

from __future__ import annotations

from tests.schema import FILE, text

FILE.write_text(text())
