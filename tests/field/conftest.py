"""A daemon that the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.tracing import Daemon, daemon


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Give a daemon whose grace is no longer than the longest lookup."""
    with daemon(tmp_path_factory.mktemp("field"), grace=1.0) as started:
        yield started
