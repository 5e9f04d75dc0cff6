"""Record the hosts of the fleet (tests/deploy/fleet.py) anew, from real daemons: `python -m tests.deploy.recordings`.

With names, those alone. Each is a world of its own with a service, `getip`. The daemon sees the whole machine: if it
has a series for something else that queries nameservers meanwhile, nothing is recorded.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from exporter.demo.lab import NAME, NEW, OLD, Experiment, Program, experiment
from tests.deploy.fleet import DEAD, RECORDED
from tests.support.building import build
from tests.support.lab_cgroups import Cgroups
from tests.support.tracing import SHORT, Daemon, daemon
from tests.zoo.containers import ALONE, CONTAINED

UNIT = "getip.service"
CONTAINER = f"docker-{'4f5e2d8c9b1a':0<64}.scope"
NO_RELOAD = {"RES_OPTIONS": "no-reload"}
TIMEOUT = 60
DEAD_FIRST = f"nameserver {DEAD}\nnameserver {NEW}\n{SHORT}"


class Host:
    """A host: its daemon, its nameservers, and what runs on it."""

    def __init__(self, running: Daemon, lab: Experiment, cgroups: Cgroups, place: Path) -> None:
        self.running, self.lab = running, lab
        self._cgroups = cgroups
        self._getip = place / "getip"
        self._getip.symlink_to(build("getaddrinfo_loop"))

    def start(
        self, unit: str = UNIT, within: Sequence[str | Path] = (), environment: Mapping[str, str] | None = None
    ) -> Program:
        """Run the service."""
        argv = [str(one) for one in (*within, self._getip, NAME, "200")]
        return self.lab.world.start(self._cgroups.within(f"system.slice/{unit}", argv), environment)

    def expect(self, program: Program, **values: str) -> None:
        """Wait until that is said of a process, or of its only nameserver."""

        def holds() -> Callable[[dict[str, object]], bool]:
            return lambda row: all(_value(row, key) == value for key, value in values.items())

        self.running.wait_for(program.pid, holds(), TIMEOUT, str(values))


def _value(row: Mapping[str, object], key: str) -> object:
    uses = row["nameservers"]
    assert isinstance(uses, list)
    return row[key] if key in row else uses[-1][key]


def followed(host: Host) -> None:
    """Let the service follow a change."""
    service = host.start()
    host.expect(service, state="current")
    host.lab.change()
    host.expect(service, state="current", address=NEW, answers="yes")


def listed(host: Host) -> None:
    """Let the service query what is still listed."""
    host.expect(host.start(), state="current", answers="yes", follows="yes")


def stale(host: Host) -> Program:
    """Let a change leave the service behind."""
    service = host.start(environment=NO_RELOAD)
    host.expect(service, state="current")
    host.lab.change()
    host.expect(host.start("other.service"), answers="yes")
    host.expect(service, state="stale", answers="yes")
    return service


def failing(host: Host) -> None:
    """Switch the old nameserver off."""
    service = stale(host)
    host.lab.old.pause()
    host.expect(service, state="stale", answers="no")


def outdated(host: Host) -> None:
    """Let a change leave a container behind."""
    contained = (*ALONE, "sh", "-ec", CONTAINED.replace("loop", "getip"))
    container = host.start(CONTAINER, contained)
    host.expect(container, state="current")
    host.lab.change()
    host.expect(host.start("other.service"), answers="yes")
    host.expect(container, state="outdated", answers="yes")


def silent(host: Host) -> None:
    """Have a nameserver listed first that does not answer."""
    host.lab.world.run(["ip", "address", "add", f"{DEAD}/32", "dev", "lo"])
    host.lab.world.nameserver(DEAD, {}).pause()
    service = host.start()
    host.running.wait_for(
        service.pid,
        lambda row: {use["address"]: use["answers"] for use in row["nameservers"]} == {DEAD: "no", NEW: "yes"},
        TIMEOUT,
        "one that answers, and one that does not",
    )


KINDS: Sequence[Callable[[Host], object]] = (followed, listed, stale, failing, outdated, silent)


def main(chosen: Sequence[str]) -> None:
    """Record each, or those that are named."""
    for kind in KINDS:
        if chosen and kind.__name__ not in chosen:
            continue
        with tempfile.TemporaryDirectory() as directory, experiment() as lab, Cgroups() as cgroups:
            lab.world.write_resolv_conf(DEAD_FIRST if kind is silent else f"nameserver {OLD}\n{SHORT}")
            with daemon(Path(directory) / "daemon", host=lab.world.pid) as running:
                kind(Host(running, lab, cgroups, Path(directory)))
                metrics = running.metrics()
                others = set(re.findall(r'comm="(.+?)"', metrics)) - {"getip"}
                if others:
                    raise SystemExit(f"{kind.__name__}: not recorded, beside {', '.join(sorted(others))}")
                (RECORDED / f"{kind.__name__}.txt").write_text(metrics)


if __name__ == "__main__":
    main(sys.argv[1:])
