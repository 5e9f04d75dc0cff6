"""Each resolver of the zoo: what it does by the nameservers' own logs, and what resolvtrace says of it.

The cases of a round go through the change at the same time, under one daemon.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from zoo import caches, containers, forwarders, glibc, languages, lists, mail, servers
from zoo.case import Case
from zoo.observe import Observed, observe
from zoo.verdicts import assert_cured, assert_no_false_flag, assert_truth, assert_verdict

ROUNDS: dict[str, list[Case]] = {
    "libraries": glibc.CASES + languages.CASES + lists.CASES,
    "services": caches.CASES + forwarders.CASES + servers.CASES + mail.CASES,
    "containers": containers.CASES,
    "slow": languages.SLOW,
}
SLOW = {"slow"}
"""Rounds that take minutes: `make zoo` runs them, `make test` does not."""


def parameters(*, cured: bool = False) -> list[object]:
    """Give the cases; or those alone that must be stale and that a restart cures."""
    return [
        pytest.param(name, case, marks=pytest.mark.slow if name in SLOW else (), id=f"{name}-{case.name}")
        for name, cases in ROUNDS.items()
        for case in cases
        if not cured or (case.expected.state == "stale" and case.cured)
    ]


See = Callable[[str, Case], Observed]


@pytest.fixture(scope="module")
def see(tmp_path_factory: pytest.TempPathFactory) -> See:
    """Give what was seen of a case; its round is run when the first one asks."""
    done: dict[str, dict[str, Observed] | Exception] = {}

    def seen(name: str, case: Case) -> Observed:
        if name not in done:
            try:
                done[name] = observe(tmp_path_factory.mktemp(name), ROUNDS[name])
            except Exception as error:  # noqa: BLE001 -- told by each case of the round, which is run once
                done[name] = error
        result = done[name]
        if isinstance(result, Exception):
            raise result
        return result[case.name]

    return seen


@pytest.mark.parametrize(("name", "case"), parameters())
def test_verdict(see: See, name: str, case: Case) -> None:
    """The nameservers' logs and the daemon tell the same story; nobody is flagged who follows the file."""
    one = see(name, case)
    assert_truth(one)
    assert_verdict(one)
    assert_no_false_flag(one)


@pytest.mark.parametrize(("name", "case"), parameters(cured=True))
def test_restart(see: See, name: str, case: Case) -> None:
    """A restart cures the stale ones."""
    assert_cured(see(name, case))
