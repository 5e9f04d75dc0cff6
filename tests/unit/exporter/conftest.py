"""A daemon for the commands: its feed, and a snapshot that a test may change."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import pytest

from exporter.feed.server import FeedServer
from tests.support.samples import Served, running


@pytest.fixture
def daemon() -> Iterator[Served]:
    """Serve the full snapshot to begin with."""
    with tempfile.TemporaryDirectory() as directory:
        own = Served(f"{directory}/s")
        with running(lambda: FeedServer.start(own.ask, own.path, events=own.events)):
            yield own
