"""What an administrator reads about a process."""

from __future__ import annotations

from tests.support.world import World
from tracer.report.advice import Background, reason_and_advice
from tracer.report.services import LookupServices
from tracer.resolvconf.history import SECOND

BEGAN = 500 * SECOND
"""Since when the daemon watches."""


def said(world: World, pid: int = 10) -> tuple[str, str]:
    """Give reason and advice."""
    services = LookupServices(world.ledger.processes)
    background = Background(world.host.history, BEGAN, services, world.ledger.identity_of, world.ledger.last_answers)
    return reason_and_advice(world.process(pid), background)
