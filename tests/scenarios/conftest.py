"""A daemon and a stage that the scenarios of a module share, and a world for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from tests.scenarios.world import Stage, World
from tests.support.tracing import Daemon, daemon


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Give a daemon whose grace is no longer than the longest lookup."""
    with daemon(tmp_path_factory.mktemp("scenarios"), grace=1.0) as started:
        yield started


@pytest.fixture(scope="module")
def make_world(running: Daemon) -> Iterator[Callable[[], World]]:
    """Give what makes worlds, which last until the module ends."""
    with ExitStack() as stack:
        stage = stack.enter_context(Stage())
        yield lambda: stack.enter_context(closing(World(stage, running)))


@pytest.fixture
def world(make_world: Callable[[], World]) -> Iterator[World]:
    """Give an empty world."""
    made = make_world()
    yield made
    made.empty()
