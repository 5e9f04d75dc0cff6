"""Which machines are booted, and the row of the README's table that each leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest

from tests.platforms import facts, table
from tests.vm.disks import KERNELS

_USUAL = [name for name, kernel in KERNELS.items() if kernel.architecture == "amd64"]
_EXPERIMENTS = [name for name in KERNELS if name != "kube"]
_systems = pytest.StashKey[dict[str, dict[str, Any]]]()
"""What each machine says of itself."""
_outcomes = pytest.StashKey[dict[str, Counter[str]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the option."""
    known = ", ".join(KERNELS)
    parser.addoption("--kernels", metavar="NAMES", default="", help=f"boot these of the machines: {known}")


def pytest_configure(config: pytest.Config) -> None:
    """Begin with no machine."""
    config.stash[_systems], config.stash[_outcomes] = {}, {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of a machine's results once for each; those that play the DaemonSet for one."""
    if "result" in metafunc.fixturenames:
        metafunc.parametrize("result", experiments(metafunc.config), indirect=True)
    if "played" in metafunc.fixturenames:
        metafunc.parametrize("played", [name for name in _chosen(metafunc.config) if name == "kube"], indirect=True)


def experiments(config: pytest.Config) -> list[str]:
    """Give the machines on which the experiment is done. Raises pytest.UsageError."""
    return [name for name in _chosen(config) if name in _EXPERIMENTS]


def _chosen(config: pytest.Config) -> list[str]:
    names = config.getoption("--kernels", "").split() or _USUAL
    if unknown := set(names) - set(KERNELS):
        raise pytest.UsageError(f"--kernels: no machine is called {', '.join(sorted(unknown))}: {', '.join(KERNELS)}")
    return names


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count the outcomes by machine."""
    report = yield
    callspec = getattr(item, "callspec", None)
    for name in ("result", "played"):
        if report.when == "call" and callspec and name in callspec.params and name in getattr(item, "funcargs", {}):
            machine = callspec.params[name]
            item.config.stash[_systems][machine] = item.funcargs[name]["system"]  # type: ignore[attr-defined]
            item.config.stash[_outcomes].setdefault(machine, Counter())[report.outcome] += 1
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Record a row for each machine."""
    for machine, outcomes in session.config.stash[_outcomes].items():
        system = dict(session.config.stash[_systems][machine])
        command = f"make test-{machine}" if machine == "arm64" else f"make test-vm KERNELS={machine}"
        row = table.row(system, system.pop("kernel"), f"`{command}`", facts.counts_in_words(outcomes))
        table.record(f"vm-{machine}", row)
