"""Plays random histories against the daemon, and says where it and the contract disagree."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tests.campaign.batch import Figures, play
from tests.campaign.generator import BATCH, generate
from tests.campaign.shrinking import shrink
from tests.campaign.simulation import Simulation
from tests.campaign.simulation import shrink as simulation_shrink
from tests.campaign.steps import as_scenario


def main() -> int:
    """Play; 0 if all agree, 1 if something does not."""
    parser = argparse.ArgumentParser(prog="campaign", description=__doc__)
    parser.add_argument("--histories", type=int, default=10_000, help="how many, from the first seed on")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first seed")
    parser.add_argument("--seed", type=int, help="this history alone")
    parser.add_argument("--without-kernel", action="store_true", help="play them with the daemon's pure part alone")
    parser.add_argument("--no-shrink", action="store_true", help="leave what disagrees as it is")
    options = parser.parse_args()
    figures, began = Figures(), time.monotonic()
    wanted = [options.seed] if options.seed is not None else range(options.first, options.first + options.histories)
    if options.seed is not None:
        print(as_scenario(generate(options.seed)))
    if options.without_kernel:
        return _simulate(wanted, shrinks=not options.no_shrink)
    seeds = list(wanted)
    while seeds:
        batch = [seed for seed in seeds if seed // BATCH == seeds[0] // BATCH]
        seeds = seeds[len(batch) :]
        with tempfile.TemporaryDirectory() as directory:
            histories = {seed: generate(seed) for seed in batch}
            found = play(Path(directory), histories, figures)
            print(f"{figures}; {time.monotonic() - began:.0f} s, seeds to {batch[-1]}", flush=True)
            for seed, disagreements in found.items():
                print(f"\nseed {seed}:", *disagreements, sep="\n  ", flush=True)
            for seed, disagreements in list(found.items())[: 0 if options.no_shrink else 1]:
                print(shrink(Path(directory), histories[seed], disagreements[0].kind, print), flush=True)
    return 1 if figures.disagreements else 0


def _simulate(seeds: Iterable[int], *, shrinks: bool) -> int:
    """Play each without a kernel."""
    figures, began = Figures(), time.monotonic()
    for seed in seeds:
        steps = generate(seed)
        simulation = Simulation(steps, seed)
        found = simulation.play()
        figures.histories += 1
        figures.processes += simulation.history.created
        figures.rows += simulation.tally.rows
        figures.vague += simulation.tally.vague
        figures.restarts += simulation.restarts
        if found:
            figures.disagreements += 1
            if shrinks:
                steps, found = simulation_shrink(steps, seed, found[0].kind)
            print(f"\nseed {seed}:", as_scenario(steps), *found, sep="\n", flush=True)
        if seed % BATCH == BATCH - 1:
            print(f"{figures}; {time.monotonic() - began:.0f} s, seeds to {seed}", flush=True)
    print(figures)
    return 1 if figures.disagreements else 0


if __name__ == "__main__":
    sys.exit(main())
