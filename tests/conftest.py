"""Profiles of hypothesis: `make test` tries the same examples each time, `make fuzz` looks for new ones. Patience."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from exporter.demo.lab import waiting

settings.register_profile("same", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("search", max_examples=1000, deadline=None, print_blob=True)
# `--hypothesis-profile` names another.
settings.load_profile("same")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Let anything take as many times as long as there are processes for each processor, on average of a minute."""
    waiting.timeout_factor = max(1.0, os.getloadavg()[0] / len(os.sched_getaffinity(0)))
