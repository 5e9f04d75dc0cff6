"""A real process stays with its old nameserver: Prometheus tells Alertmanager, until the process is restarted."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import pytest

from exporter.demo.lab import NAME, NEW, OLD, experiment, wait_until
from tests.deploy import dashboard
from tests.deploy.monitoring import Prometheus, Sample, Service, alertmanager, prometheus
from tests.support.building import build
from tests.support.lab_cgroups import Cgroups
from tests.support.tracing import SHORT, Daemon, daemon

UNIT = f"getip-{os.getpid()}.service"
"""No other unit of this machine: the daemon sees all there are."""
TIMEOUT = 60
"""Seconds: many times what each step takes on a machine with nothing else to do."""


@dataclass(frozen=True)
class Run:
    """What arrived, what Prometheus answered each query of the dashboard, and whether the flag was cleared then."""

    fired: dict[str, Any]
    answers: dict[str, list[Sample]]
    cured: bool


FORECAST = "resolvtrace_frozen"
"""In what is answered before the change: half a minute after the process has begun to query."""


def alerts(manager: Service) -> list[dict[str, Any]]:
    """Give the alerts that Alertmanager holds for active, about our unit."""
    return list(manager.get("/api/v2/alerts", active="true", filter=f'unit="{UNIT}"'))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Take a service through a change of resolv.conf that it does not follow, and through its restart."""
    directory = tmp_path_factory.mktemp("alert")
    service = [str(build("getaddrinfo_loop")), NAME, "100"], {"RES_OPTIONS": "no-reload"}
    with experiment() as lab, Cgroups() as cgroups:
        lab.world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
        argv, environment = cgroups.within(f"system.slice/{UNIT}", service[0]), service[1]
        with daemon(directory / "daemon", host=lab.world.pid) as running, alertmanager(directory / "am") as manager:
            started = lab.world.start(argv, environment)
            running.wait_for_state(started.pid, "current", TIMEOUT)
            with prometheus(directory / "prometheus", targets(running), tell=manager) as server:
                server.wait_for("resolvtrace_build_info", TIMEOUT)
                assert not alerts(manager)
                before = ask(server, str(running.address), FORECAST)
                lab.world.write_resolv_conf(f"nameserver {NEW}\n{SHORT}")
                (fired,) = wait_until(lambda: alerts(manager), TIMEOUT, "the alert to arrive")
                answers = before | ask(server, str(running.address))
                started.stop()
                restarted = lab.world.start(argv, environment)
                running.wait_for_state(restarted.pid, "current", TIMEOUT)
                wait_until(lambda: not alerts(manager), TIMEOUT, "the alert to be resolved")
                cured = bool(server.query("up == 1")) and not server.query(
                    f'resolvtrace_stale_resolver{{unit="{UNIT}"}}'
                )
    return Run(fired, answers, cured)


def targets(running: Daemon) -> dict[str, Any]:
    """Say to Prometheus where the daemon is."""
    return {"static_configs": [{"targets": [running.address]}]}


def ask(server: Prometheus, instance: str, about: str | None = None) -> dict[str, list[Sample]]:
    """Send queries of the dashboard, each until it is answered: a rate takes two scrapes.

    Those about a series, or else all but those of the forecast.
    """
    chosen = [
        one
        for one in dashboard.queries(instance)
        if (about in one.expression if about is not None else FORECAST not in one.expression)
    ]
    return {one.name: server.wait_for(one.expression, TIMEOUT) for one in chosen}


def test_the_alert_says_who_and_what_to_do(run: Run) -> None:
    """The unit, both nameservers, and a command that fixes it."""
    assert run.fired["status"]["state"] == "active"
    assert run.fired["labels"]["alertname"] == "StaleResolver"
    annotations = run.fired["annotations"]
    assert (annotations["unit"], annotations["old_nameserver"], annotations["new_nameserver"]) == (UNIT, OLD, NEW)
    assert annotations["command"] == f"systemctl restart {UNIT}"
    assert annotations["summary"].startswith(f"{UNIT} on 127.0.0.1:")


def test_the_restart_resolves_it(run: Run) -> None:
    """Since the flag is cleared, and not for lack of an answer."""
    assert run.cured


def test_every_query_of_the_dashboard_was_answered(run: Run) -> None:
    """And one of its tables has the service, with the nameserver that it queries."""
    assert all(run.answers.values())
    (left,) = [labels for labels, _ in run.answers["Who is left behind A"] if labels.get("unit") == UNIT]
    assert (left["nameserver"], left["state"]) == (OLD, "stale")
