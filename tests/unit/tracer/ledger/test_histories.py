"""Random histories of the campaign, without a kernel: what the contract says of them, and what the ledger does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.campaign.generator import generate
from tests.campaign.simulation import Simulation, shrink
from tests.campaign.steps import as_scenario


@given(st.integers(0, 2**32))
def test_a_history_is_judged_as_the_contract_says(seed: int) -> None:
    """`make fuzz` searches for others; `make campaign` plays them with real processes."""
    steps = generate(seed)
    found = Simulation(steps, seed).play()
    if found:
        steps, found = shrink(steps, seed, found[0].kind)
    assert not found, as_scenario(steps)
