"""Two hundred hosts, the real Prometheus, and one query: who still uses this nameserver, anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.demo.lab import NEW, OLD, wait_until
from exporter.prometheus.metrics import registry
from tests.deploy.fleet import DEAD, RECORDED, fleet, names
from tests.deploy.monitoring import Prometheus, prometheus
from tests.support.samples import full

HOSTS = {"followed": 160, "listed": 20, "stale": 8, "failing": 4, "outdated": 5, "silent": 3}
"""Hosts by what was recorded: those that list the new nameserver and query it, those that still list the old one, those
where a service is left with it, those where it does not answer that service, those where a container is left, and those
that list a nameserver first that does not answer."""
TIMEOUT = 120


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Scrape them all, and let the rules be evaluated after that."""
    directory = tmp_path_factory.mktemp("fleet")
    with fleet(HOSTS) as hosts, prometheus(directory / "prometheus", hosts, interval="5s") as started:
        everybody = sum(HOSTS.values())
        started.wait_for(f"count(up == 1) == {everybody}", TIMEOUT)
        started.wait_for(f"count(instance:resolvtrace_current_nameserver:info) == {everybody}", TIMEOUT)
        wait_until(lambda: len(users(started, OLD)) >= 37, TIMEOUT, "the users")
        yield started


def users(server: Prometheus, nameserver: str) -> set[tuple[str, ...]]:
    """Ask who uses a nameserver: host, state, unit and command."""
    found = server.query(f'nameserver:resolvtrace_users:info{{nameserver="{nameserver}"}}')
    keys = ("instance", "state", "unit", "comm")
    return {tuple(labels.get(key, "") for key in keys) for labels, _ in found}


def test_one_query_tells_who_still_uses_a_nameserver_anywhere(server: Prometheus) -> None:
    """Each host that lists it, each service and each container that is left with it, and nobody else."""
    assert users(server, OLD) == {
        *((host, "listed", "", "") for host in names("listed", 20)),
        *((host, "stale", "getip.service", "getip") for host in (*names("stale", 8), *names("failing", 4))),
        *((host, "outdated", "4f5e2d8c9b1a", "getip") for host in names("outdated", 5)),
    }


def test_a_nameserver_that_nobody_uses_has_no_answer(server: Prometheus) -> None:
    """It may be switched off."""
    assert users(server, "192.0.2.53") == set()


def test_hosts_are_counted_by_nameserver(server: Prometheus) -> None:
    """A host counts for the one that it lists, and for the one that something on it is left with."""
    counts = {labels["nameserver"]: value for labels, value in server.query("nameserver:resolvtrace_hosts:count")}
    assert counts == {OLD: 37, NEW: 180, DEAD: 3}


def test_one_query_tells_whose_lookups_fail_anywhere(server: Prometheus) -> None:
    """Those that are left with a nameserver which still answers them can wait."""
    found = server.query("nameserver:resolvtrace_unanswered:processes")
    keys = ("nameserver", "instance", "unit", "comm")
    assert {tuple(labels[key] for key in keys) for labels, _ in found} == {
        (OLD, host, "getip.service", "getip") for host in names("failing", 4)
    }


def test_one_query_tells_which_nameserver_answers_nobody(server: Prometheus) -> None:
    """Of those that are listed anywhere: one that answers a single host is none."""
    counts = {
        labels["nameserver"]: value for labels, value in server.query("nameserver:resolvtrace_answered_hosts:count")
    }
    assert counts == {OLD: 20, NEW: 180, DEAD: 0}


def test_a_host_costs_as_many_series_as_the_page_on_fleets_says(server: Prometheus) -> None:
    """docs/fleet.md reckons with it."""
    ((_, quiet),) = server.query('avg(scrape_samples_scraped{instance=~"followed.+"})')
    ((_, stale),) = server.query('avg(scrape_samples_scraped{instance=~"stale.+"})')
    assert (quiet, stale - quiet) == (92, 2)


@pytest.mark.parametrize("kind", HOSTS)
def test_what_was_recorded_is_what_is_served_today(kind: str) -> None:
    """A metric that has another name by now would be recorded in vain."""
    recorded = text_string_to_metric_families((RECORDED / f"{kind}.txt").read_text())
    assert {one.name.removesuffix("_info") for one in recorded} <= {one.name for one in registry(full).collect()}
