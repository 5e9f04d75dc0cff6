"""What scripts take from ``check``: the units to restart."""

from __future__ import annotations

import re

from exporter.wire import Check
from tracer.snapshot import State

__all__ = ["formatted", "stale_services"]

# systemd.unit(5): what else a cgroup may be called was not named by systemd; nor is it an option of systemctl's.
_SERVICE = re.compile(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*\.service")


def stale_services(check: Check) -> list[str]:
    """Return the services of the host with a stale process, each once, in the order of the alphabet.

    A unit inside of a container is not the host's to restart.
    """
    return sorted(
        {
            process["unit"]
            for process in check["processes"]
            if process["state"] == State.STALE
            and process["unit"]
            and not process["container"]
            and _SERVICE.fullmatch(process["unit"])
        }
    )


def formatted(form: str, services: list[str]) -> list[str]:
    """Return a line for each service: ``form`` with ``%s`` replaced by its name, ``%%`` by a per cent sign.

    Raises ValueError where there is no ``%s``, or another letter behind a per cent sign.
    """
    kinds = re.findall(r"%(.?)", form)
    if "s" not in kinds or set(kinds) - {"s", "%"}:
        raise ValueError("it takes %s where the unit's name belongs (and %% for a per cent sign)")
    parts = re.split(r"(%[s%])", form)
    return ["".join({"%s": name, "%%": "%"}.get(part, part) for part in parts) for name in services]
