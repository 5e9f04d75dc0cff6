"""How a process looks names up: one test for each word of the contract."""

from __future__ import annotations

import pytest

from tests.support.doubles import MILLISECOND
from tests.support.world import World
from tracer.kernel.records import Lookup, ProcessFlag, Service
from tracer.lookups import LookupPath
from tracer.observation.forwarders import Forwarding


@pytest.fixture
def world() -> World:
    """Return a world with pid 10, which has read the file."""
    world = World()
    world.start(10)
    world.read(10)
    return world


def _path(world: World) -> LookupPath:
    world.tick()
    return world.process(10).lookup_path


def test_nscd_if_the_socket_answered(world: World) -> None:
    """And no query of its own came after."""
    world.try_socket(10, Service.NSCD, answered=True)
    assert _path(world) is LookupPath.NSCD


def test_nscd_if_it_queried_by_itself_only_before_nscd_started(world: World) -> None:
    """What was seen last is what holds."""
    world.try_socket(10, Service.NSCD, answered=False)
    world.query(10)
    world.tick()
    world.try_socket(10, Service.NSCD, answered=True)
    assert _path(world) is LookupPath.NSCD


def test_nscd_if_a_process_older_than_the_daemon_comes_to_be_served() -> None:
    """It read the file before the daemon started, queried by itself, and then nscd was started."""
    world = World()
    world.start(10)
    world.try_socket(10, Service.NSCD, answered=False)
    world.query(10)
    world.tick()
    world.machine.served_by_nscd = {10}
    world.try_socket(10, Service.NSCD, answered=True)
    world.tick()
    assert _path(world) is LookupPath.NSCD


def test_nss_if_nobody_was_there_and_it_queried_within_a_second(world: World) -> None:
    """On the same thread."""
    world.try_socket(10, Service.NSCD, answered=False)
    world.query(10)
    assert _path(world) is LookupPath.NSS


def test_nss_holds_on(world: World) -> None:
    """Glibc leaves the socket alone for a hundred lookups."""
    world.try_socket(10, Service.NSCD, answered=False)
    world.query(10)
    world.tick()
    for _ in range(50):
        world.clock.advance(60)
        world.query(10)
        assert _path(world) is LookupPath.NSS


def test_resolved_if_its_socket_answered(world: World) -> None:
    """nss-resolve."""
    world.try_socket(10, Service.RESOLVED, answered=True)
    assert _path(world) is LookupPath.RESOLVED


def test_sssd_if_its_socket_answered(world: World) -> None:
    """nss-sss."""
    world.try_socket(10, Service.SSSD, answered=True)
    assert _path(world) is LookupPath.SSSD


def test_mixed_if_nscd_answered_and_it_queries_all_the_same(world: World) -> None:
    """sendmail, for MX."""
    world.try_socket(10, Service.NSCD, answered=True)
    world.query(10)
    assert _path(world) is LookupPath.MIXED


def test_direct_if_the_try_was_for_a_user_and_the_query_by_itself(world: World) -> None:
    """It looked its user up through nscd, and resolves names by itself: no lookup of its went through NSS."""
    world.try_socket(10, Service.NSCD, answered=False)
    world.query(10, lookup=Lookup.BY_ITSELF)
    assert _path(world) is LookupPath.DIRECT


def test_direct_if_no_try_went_before(world: World) -> None:
    """res_*(), c-ares, a resolver of its own."""
    world.query(10)
    assert _path(world) is LookupPath.DIRECT


def test_direct_if_the_try_was_long_before(world: World) -> None:
    """A passwd lookup found no nscd; a query a minute later has nothing to do with it."""
    world.try_socket(10, Service.NSCD, answered=False)
    world.clock.advance(60)
    world.query(10)
    assert _path(world) is LookupPath.DIRECT


def test_unknown_if_not_enough_was_seen(world: World) -> None:
    """It read the file, and tried a socket at which nobody listened."""
    world.try_socket(10, Service.NSCD, answered=False)
    assert _path(world) is LookupPath.UNKNOWN


def test_nss_again_when_nscd_has_gone(world: World) -> None:
    """It answered once; now it does not run, and the process queries by itself."""
    world.try_socket(10, Service.NSCD, answered=True)
    world.query(10)
    assert _path(world) is LookupPath.MIXED
    world.query(10)
    world.try_socket(10, Service.NSCD, answered=False)
    world.tick()
    world.try_socket(10, Service.NSCD, answered=False)
    world.query(10)
    assert _path(world) is LookupPath.NSS


def test_what_nscd_no_longer_answers_is_learnt_though_the_record_was_lost(world: World) -> None:
    """The ring was full; the next query's flags say the same."""
    world.try_socket(10, Service.NSCD, answered=True)
    world.query(10)
    world.tick()
    world.try_socket(10, Service.NSCD, answered=False, recorded=False)
    world.query(10)
    assert _path(world) is LookupPath.NSS


def test_a_child_looks_up_as_its_parent_did(world: World) -> None:
    """It is the same program with the same state."""
    world.try_socket(10, Service.NSCD, answered=False)
    world.query(10)
    world.fork(10, 11)
    world.query(11)
    world.tick()
    assert world.process(11).lookup_path is LookupPath.NSS


def test_exec_forgets_how_the_old_image_looked_up(world: World) -> None:
    """Another program may do otherwise."""
    world.try_socket(10, Service.NSCD, answered=False)
    world.query(10)
    world.tick()
    world.execute(10)
    world.query(10)
    world.tick()
    assert _path(world) is LookupPath.DIRECT


def test_direct_if_it_was_watched_from_its_exec_and_read_nothing() -> None:
    """Glibc queries nothing before it has read the file: nscd was tried for a user."""
    world = World()
    world.start(10)
    world.execute(10)
    world.try_socket(10, Service.NSCD, answered=False)
    world.query(10)
    assert _path(world) is LookupPath.DIRECT
    world.read(10)
    world.query(10)
    assert _path(world) is LookupPath.NSS


def test_direct_if_it_forwards(world: World) -> None:
    """Dnsmasq reads resolv.conf, and looks its user up; its queries are its clients'."""
    world.machine.forwards[10] = Forwarding(forwards=True, upstreams=world.host)
    world.try_socket(10, Service.NSCD, answered=False)
    world.query(10)
    assert _path(world) is LookupPath.DIRECT


def test_a_query_that_seems_to_come_before_its_read_still_tells_the_path(world: World) -> None:
    """It is timed by a clock that is a tick behind; the read's record knew nothing yet of what the query showed."""
    world.tick()
    process = world.process(10)
    before = process.flags
    process.note_flags(before | ProcessFlag.NSCD_FALLBACK, process.flags_at - 4 * MILLISECOND)
    assert process.flags & ProcessFlag.NSCD_FALLBACK
    process.note_flags(0, process.flags_at - 20 * MILLISECOND)
    assert process.flags & ProcessFlag.NSCD_FALLBACK
