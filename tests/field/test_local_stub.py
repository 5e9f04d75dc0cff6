"""A resolv.conf that moves from an upstream to a forwarder on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from exporter.demo.lab import OLD
from tests.field.program_set import ProgramSet, ProgramSpec
from tests.field.stage import Stage
from tests.support.tracing import SHORT, Daemon

STUB, ANOTHER = "127.0.0.7", "127.0.0.8"


@pytest.fixture(scope="module")
def programs(running: Daemon) -> Iterator[ProgramSet]:
    """Start two forwarders that read the file once, and let it name one of them."""
    with Stage(running) as stage:
        programs = ProgramSet(stage)
        programs.start({"client": ProgramSpec("pinned", (STUB, ANOTHER), nameserver=STUB)})
        programs.start(
            {"stub": ProgramSpec("forwarder", (STUB, "early")), "another": ProgramSpec("forwarder", (ANOTHER, "early"))}
        )
        stage.change_past_grace(f"nameserver {STUB}\n{SHORT}")
        yield programs


def test_the_stub_itself(programs: ProgramSet) -> None:
    """It forwards to the upstream now on behalf of whoever reads the file: it was not left behind."""
    assert programs.querying("stub", more=6)["state"] == "unlisted"


def test_another_forwarder(programs: ProgramSet) -> None:
    """One that the file does not name was (a container engine's, say)."""
    row = programs.when("another", "stale")
    assert {use["address"] for use in row["nameservers"]} == {OLD}
