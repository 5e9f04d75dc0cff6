"""Profiles of hypothesis: `make test` tries the same examples each time, `make fuzz` looks for new ones."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("search", max_examples=1000, deadline=None, print_blob=True)
# `--hypothesis-profile` names another.
settings.load_profile("same")
