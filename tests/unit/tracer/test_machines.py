"""Which probes a machine is to have."""

from __future__ import annotations

import mmap

import pytest

from tracer.kernel.programs import Capacities, tracepoints


def test_arm64_has_no_probes_on_calls_that_it_lacks() -> None:
    """open(2) and stat(2) do not exist there: no probe is missing, and everything else is as on x86-64."""
    both = {point.name for point in tracepoints("x86_64")}
    lacking = {"sys_enter_open", "sys_exit_open", "sys_enter_newstat"}
    assert lacking < both
    assert {point.name for point in tracepoints("aarch64")} == both - lacking


@pytest.mark.parametrize(("page", "pages"), [(4096, 128), (16384, 32), (65536, 8)])
def test_the_ring_is_as_large_on_every_machine(monkeypatch: pytest.MonkeyPatch, page: int, pages: int) -> None:
    """BCC counts it in the machine's pages."""
    monkeypatch.setattr(mmap, "PAGESIZE", page)
    assert f"-DRING_PAGES={pages}" in Capacities().macros()
    assert "-DRING_PAGES=1" in Capacities(ring_pages=1).macros()
