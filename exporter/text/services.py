"""The units to restart, for scripts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from tracer.report.snapshot import ProcessSnapshot, Snapshot
from tracer.verdict.states import State

__all__ = ["formatted", "restartable", "stale_services"]

# Valid names (systemd.unit(5)) that systemctl does not take for an option; a cgroup may have any other.
_SERVICE = re.compile(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*\.service")
# Of an engine's container, which a unit may run alone. A machine or LXC container has a name, and units of its own.
_CONTAINER_ID = re.compile(r"[0-9a-f]{64}")


def stale_services(check: Snapshot) -> list[str]:
    """Return the services of the host's own manager that have a stale process, each once, sorted."""
    return restartable(process for process in check.processes if process.state == State.STALE)


def restartable(processes: Iterable[ProcessSnapshot]) -> list[str]:
    """Return the services of the host's own manager that run these processes, each once, sorted.

    Not the one that runs a machine or an LXC container: a unit inside of that is to be restarted.
    """
    return sorted(
        {
            process.unit
            for process in processes
            if process.unit
            and _SERVICE.fullmatch(process.unit)
            and (process.container is None or _CONTAINER_ID.fullmatch(process.container))
        }
    )


def formatted(form: str, services: list[str]) -> list[str]:
    """Return a line for each service: ``form`` with ``%s`` replaced by its name, ``%%`` by a percent sign.

    A name with a backslash is quoted for a shell. Raises ValueError if there is no ``%s``, or another letter after a
    percent sign.
    """
    kinds = re.findall(r"%(.?)", form)
    if "s" not in kinds or set(kinds) - {"s", "%"}:
        raise ValueError("must contain %s for the unit name (and %% for a percent sign)")
    parts = re.split(r"(%[s%])", form)
    return ["".join({"%s": shlex.quote(name), "%%": "%"}.get(part, part) for part in parts) for name in services]
