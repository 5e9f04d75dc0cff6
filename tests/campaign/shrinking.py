"""A history that disagrees, without all that is not needed for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from tests.campaign.batch import Figures, play
from tests.campaign.comparison import Disagreement
from tests.campaign.steps import TOGETHER, Step, as_scenario

__all__ = ["shrink"]

SECONDS = 180.0
"""No round begins later than this."""
AT_ONCE = 60


def shrink(directory: Path, steps: Sequence[Step], kind: str, say: Callable[[str], object] = lambda _: None) -> str:
    """Take out what is not needed for a disagreement of a kind; gives the story that is left, and what is wrong.

    Each round plays many shorter histories at once. First whole processes and random parts are left out, then single
    steps, for as long as that leaves something that disagrees.
    """
    left, seen = list(steps), _try(directory / "again", [list(steps)], kind)[0]
    if not seen:
        return f"it did not happen again:\n{as_scenario(left)}\n{left!r}"
    left = _until_the_first(left, seen)
    random, end, number = Random(0), time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        number += 1
        candidates = _shorter(left, random)
        found = _try(directory / str(number), candidates, kind)
        smaller = [(one, some) for one, some in zip(candidates, found, strict=True) if some and len(one) < len(left)]
        if not smaller:
            break
        left, seen = min(smaller, key=lambda pair: len(pair[0]))
        left = _until_the_first(left, seen)
        say(f"{len(left)} steps are left")
    return "\n".join([as_scenario(left), *map(str, seen), repr(left)])


def _shorter(steps: list[Step], random: Random) -> list[list[Step]]:
    """Give histories without some of the steps: a process, a random part, or one step."""
    acts = [index for index, step in enumerate(steps) if step[0] not in TOGETHER]
    names = sorted({word for index in acts for word in steps[index][1:] if isinstance(word, str) and word[0] == "p"})
    parts = [{index for index in acts if name in steps[index]} for name in names]
    parts += [{index} for index in random.sample(acts, min(len(acts), 25))]
    parts += [
        {index for index in acts if random.random() < share} | {index for index in acts if name in steps[index]}
        for share in (0.1, 0.2, 0.3, 0.5, 0.7)
        for name in random.choices([*names, "-"], k=5)
    ]
    return [[step for index, step in enumerate(steps) if index not in part] for part in parts[:AT_ONCE]]


def _until_the_first(steps: list[Step], seen: list[Disagreement]) -> list[Step]:
    """Leave out what comes after the first comparison that disagrees."""
    checks = [index for index, step in enumerate(steps) if step[0] == "check"]
    first = min(one.check for one in seen)
    return steps[: checks[first] + 1] if first < len(checks) else steps


def _try(directory: Path, candidates: list[list[Step]], kind: str) -> list[list[Disagreement]]:
    found = play(directory, dict(enumerate(candidates)), Figures())
    return [[one for one in found.get(number, []) if one.kind == kind] for number in range(len(candidates))]
