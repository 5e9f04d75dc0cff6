"""A hundred fixed histories; `make campaign` plays ten thousand."""

from __future__ import annotations

from pathlib import Path

from tests.campaign.batch import Figures, play
from tests.campaign.generator import BATCH, generate
from tests.campaign.shrinking import shrink


def test_a_hundred_histories(tmp_path: Path) -> None:
    """The daemon says of every process what the contract says."""
    figures = Figures()
    histories = {seed: generate(seed) for seed in range(BATCH)}
    found = play(tmp_path / "all", histories, figures)
    print(figures)
    for seed, disagreements in found.items():
        print(f"seed {seed}:", *disagreements, sep="\n  ")
    for seed, disagreements in list(found.items())[:1]:
        print(shrink(tmp_path / "shrinking", histories[seed], disagreements[0].kind))
    assert not found
    assert figures.rows > 1000
