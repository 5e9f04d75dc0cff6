"""Which units systemd restarts with another one, by its own word: PartOf= (systemd.unit(5))."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Mapping, Sequence

__all__ = ["parts", "without_parts"]

_SECONDS = 5.0


def without_parts(units: Sequence[str], part_of: Mapping[str, Collection[str]]) -> list[str]:
    """Leave out what is restarted with another of the units."""
    return [unit for unit in units if not set(part_of.get(unit, ())) & (set(units) - {unit})]


def parts(units: Sequence[str]) -> dict[str, list[str]]:
    """Ask the host's manager what each of the units is part of: nothing, as far as it knows none, or is not there."""
    if len(units) < 2:  # noqa: PLR2004 - one unit is no part of another of them
        return {}
    command = ["systemctl", "show", "--property=Id", "--property=PartOf", "--", *units]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SECONDS).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    found = {}
    for block in said.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if values.get("Id"):
            found[values["Id"]] = values.get("PartOf", "").split()
    return found
