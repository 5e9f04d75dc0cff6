"""Each resolver of the zoo: what it does by the nameservers' own logs, and what resolvtrace says of it.

The cases of a round go through the change at the same time, under one daemon.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.zoo import (
    caches,
    containers,
    daemons,
    forwarders,
    glibc,
    languages,
    lists,
    mail,
    mail_filters,
    powerdns,
    servers,
    sssd,
    traffic_server,
)
from tests.zoo.case import Case
from tests.zoo.conftest import SEEN, WATCHED_SECONDS
from tests.zoo.forecasts import Outcome, compare
from tests.zoo.observe import Observed, observe
from tests.zoo.verdicts import assert_cured, assert_no_false_flag, assert_truth, assert_verdict

ROUNDS: dict[str, list[Case]] = {
    "libraries": glibc.CASES + languages.CASES + lists.CASES,
    "services": caches.CASES + forwarders.CASES + servers.CASES + mail.CASES,
    "containers": containers.CASES,
    "daemons": daemons.CASES + mail_filters.CASES + powerdns.CASES,
    "big": mail_filters.BIG + traffic_server.BIG,
    "slow": languages.SLOW + daemons.SLOW + powerdns.SLOW + sssd.SLOW,
}
SLOW = {"big", "slow"}
"""Rounds that take minutes, or big packages (`deploy/setup zoo`): `make zoo` runs them, `make test` does not."""


def parameters(*, cured: bool = False) -> list[object]:
    """Give the cases; or those alone that must be stale and that a restart cures."""
    return [
        pytest.param(name, case, marks=_marks(name, case), id=f"{name}-{case.name}")
        for name, cases in ROUNDS.items()
        for case in cases
        if not cured or case.recovers
    ]


def _marks(name: str, case: Case) -> list[pytest.MarkDecorator]:
    return [
        *([pytest.mark.slow] if name in SLOW else []),
        *([pytest.mark.skip(case.absent)] if case.absent else []),
    ]


def watched_seconds(name: str) -> float:
    """Give for how long a round is watched before the change, for the page: the slow ones look once a minute."""
    return WATCHED_SECONDS * (5 if name in SLOW else 1)


See = Callable[[str, Case], Observed]


@pytest.fixture(scope="module")
def see(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> See:
    """Give what was seen of a case; its round is run for the first one."""
    done = pytestconfig.stash[SEEN]
    is_forecast = bool(pytestconfig.getoption("--forecast", None))

    def seen(name: str, case: Case) -> Observed:
        if name not in done:
            try:
                cases = [case for case in ROUNDS[name] if not case.absent]
                done[name] = observe(
                    tmp_path_factory.mktemp(name), cases, watched_before=is_forecast * watched_seconds(name)
                )
            except Exception as error:  # noqa: BLE001 -- reported by each case of the round, which is run once
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
    """A restart cures the stale ones, and a reload those that it is advised for."""
    assert_cured(see(name, case))


@pytest.mark.parametrize(("name", "case"), parameters())
def test_forecast(see: See, name: str, case: Case) -> None:
    """What was said of it before the change came true, or was that it is not known."""
    found = compare(see(name, case))
    assert found.outcome is not Outcome.WRONG, found
