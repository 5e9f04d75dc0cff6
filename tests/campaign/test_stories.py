"""Histories written by hand, about one thing each, compared with what the contract says of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.campaign.batch import Figures, play
from tests.campaign.steps import Step, as_scenario
from tests.campaign.stories import ACROSS_RESTARTS, READS_OF_ANOTHER_VIEW, WITHIN_A_TICK, story


def agree(directory: Path, stories: Mapping[str, list[Step]]) -> None:
    """Play stories side by side, and print each and what was wrong with it."""
    names = list(stories)
    found = play(directory, dict(enumerate(stories.values())), Figures())
    for number, disagreements in found.items():
        print(f"\n{names[number]}:", as_scenario(stories[names[number]]), *disagreements, sep="\n")
    assert not [names[number] for number in found]


@pytest.mark.parametrize(
    "stories", [WITHIN_A_TICK, READS_OF_ANOTHER_VIEW], ids=["within a tick", "reads of another view"]
)
def test_with_the_daemon_running(tmp_path: Path, stories: Mapping[str, str]) -> None:
    """Whatever the order within a tick."""
    agree(tmp_path, {name: story(text) for name, text in stories.items()})


def test_across_sigterm(tmp_path: Path) -> None:
    """The daemon is restarted in the middle of a tick."""
    agree(tmp_path, {name: story(text, [("restart", "SIGTERM")]) for name, text in ACROSS_RESTARTS.items()})


def test_across_sigkill(tmp_path: Path) -> None:
    """The daemon is killed after the tick: nothing is missing."""
    between = [("settle",), ("restart", "SIGKILL")]
    agree(tmp_path, {name: story(text, between) for name, text in ACROSS_RESTARTS.items()})
