"""Evidence in words: one sentence each, nothing guessed, and whom to restart."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from doubles import ELSEWHERE, NEW, OLD, World, a_view, conf

from tracer.advice import Background, reason_and_advice
from tracer.generations import SECOND, first_generation, follow
from tracer.kernel.records import Service
from tracer.procfs import Identity
from tracer.resolvconf import EMPTY
from tracer.services import LookupServices
from tracer.snapshot import State

BEGAN = 500 * SECOND
"""Since when the daemon watches."""
ID = "0123456789abcdef" * 4
WHO = {
    "nobody": Identity("getip", "/usr/bin/getip"),
    "service": Identity("getip", None, unit="sendmail.service"),
    "session": Identity("getip", None, unit="session-3.scope"),
    "container": Identity("getip", None, container=ID),
    "pod": Identity("getip", None, container=ID, pod="shop/web-0"),
    "service in a container": Identity("getip", None, unit="nginx.service", container=ID),
}
STATES = {
    State.STALE,
    State.OUTDATED,
    State.GRACE,
    State.SUSPECT,
    State.UNLISTED,
    State.CURRENT,
    State.RETIRED,
}


def _world(who: str = "nobody") -> World:
    world = World()
    world.around.identities[10] = WHO[who]
    world.start(10)
    return world


def _in_state(state: State, who: str = "nobody") -> World:
    """Return a world in which pid 10 is in a state."""
    world = _world(who)
    if state is State.STALE:
        world.make_stale(10)
    elif state is State.OUTDATED:
        world.around.by_root[1] = a_view(first_generation(conf(OLD), world.clock.now, 1), "7:1:2")
        world.read(10)
        world.ask(10)
        world.change(NEW)
    elif state is State.SUSPECT:
        world.host.history = replace(world.host.history, file_changed=world.clock.now * 2)
        world.ask(10, ELSEWHERE)
    elif state is State.UNLISTED:
        world.ask(10, ELSEWHERE)
    else:
        world.read(10)
        world.ask(10)
        world.tick()
        if state is not State.CURRENT:
            world.change(NEW)
        if state is State.GRACE:
            world.ask(10)
    world.tick()
    assert world.process(10).worst is state
    return world


def _said(world: World) -> tuple[str, str]:
    services = LookupServices(world.ledger.processes.values())
    return reason_and_advice(world.process(10), Background(world.host.history, BEGAN, services))


def _is_one_sentence(text: str) -> bool:
    return bool(re.fullmatch(r"\S.*[^\s.,;]", text)) and ". " not in text and "None" not in text


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("state", sorted(STATES))
def test_each_state_has_a_sentence_of_reason_and_one_of_advice(state: State, who: str) -> None:
    """Whoever it is."""
    reason, advice = _said(_in_state(state, who))
    assert _is_one_sentence(reason), reason
    assert _is_one_sentence(advice), advice


@pytest.mark.parametrize("state", sorted(STATES - {State.UNLISTED, State.SUSPECT}))
def test_the_reason_names_the_nameserver(state: State) -> None:
    """And not another."""
    assert OLD in _said(_in_state(state))[0]


@pytest.mark.parametrize(
    ("who", "what"),
    [
        ("nobody", "restart getip (pid 10)"),
        ("service", "systemctl restart sendmail.service"),
        ("session", "restart getip (pid 10)"),
        ("container", "restart container 0123456789ab"),
        ("pod", "restart pod shop/web-0: kubectl -n shop delete pod web-0"),
        ("service in a container", "systemctl restart nginx.service, in container 0123456789ab"),
    ],
)
def test_stale_advice_names_what_to_restart(who: str, what: str) -> None:
    """The unit, the container, or the process itself."""
    assert what in _said(_in_state(State.STALE, who))[1]


@pytest.mark.parametrize(
    ("who", "what"),
    [
        ("container", "restart container 0123456789ab"),
        ("pod", "kubectl -n shop delete pod web-0"),
        ("service", "refresh the copy of resolv.conf"),
    ],
)
def test_outdated_advice_is_about_the_copy(who: str, what: str) -> None:
    """A container gets its copy when it starts; a chroot's somebody has to refresh."""
    assert what in _said(_in_state(State.OUTDATED, who))[1]


def test_a_frozen_process_read_once() -> None:
    """Generation and count are those of the evidence."""
    reason, _ = _said(_in_state(State.STALE))
    assert "2 times" in reason
    assert "after generation 2 of /etc/resolv.conf" in reason
    assert "read the file at generation 1 and never since" in reason


def test_a_process_that_was_never_seen_to_read_is_not_said_to_have_read() -> None:
    """It read before the daemon came."""
    world = _world()
    world.ask(10)
    world.change(NEW)
    world.past_grace()
    world.ask(10, OLD, 2)
    world.tick()
    assert "has not read the file since resolvtrace watches" in _said(world)[0]


def test_a_process_that_only_looked_is_said_to_have_looked() -> None:
    """Stat is no read in words."""
    world = _world()
    world.check(10)
    world.ask(10)
    world.tick()
    world.change(NEW)
    world.past_grace()
    world.ask(10, OLD, 2)
    world.tick()
    assert "looked at the file at generation 1" in _said(world)[0]


def test_a_process_that_read_the_new_file_and_asks_the_old_one_is_pinned() -> None:
    """Its own configuration, or a second resolver: restarting may not help."""
    world = _in_state(State.STALE)
    world.read(10)
    world.tick()
    reason, advice = _said(world)
    assert "it read generation 2 and still asks the old one: pinned" in reason
    assert f"look for {OLD} in its own configuration" in advice


def test_a_process_that_fell_for_the_empty_file_is_told_so() -> None:
    """It asks 127.0.0.1 since, though the file is long whole again."""
    world = _world()
    world.host.history = follow(world.host.history, EMPTY, world.clock.now, world.clock.now)
    world.read(10)
    world.ask(10, "127.0.0.1")
    world.tick()
    world.change(NEW)
    world.past_grace()
    world.ask(10, "127.0.0.1", 2)
    world.tick()
    assert "while the file was empty for a moment" in _said(world)[0]


def test_workers_are_mentioned_where_they_asked() -> None:
    """The owner itself asked nothing late."""
    world = _in_state(State.STALE)
    world.fork(10, 11)
    world.ask(11)
    world.tick()
    assert "with its workers" in _said(world)[0]


def test_a_process_that_goes_through_nss_could_use_nscd() -> None:
    """That it then asks within a hundred lookups."""
    world = _in_state(State.STALE)
    world.try_socket(10, Service.NSCD, answered=False)
    world.ask(10)
    world.tick()
    assert "or start nscd" in _said(world)[1]


def test_a_process_that_asks_for_itself_could_not() -> None:
    """res_*() knows nothing of nscd."""
    assert "nscd cannot help" in _said(_in_state(State.STALE))[1]


def test_a_forwarder_is_said_to_forward() -> None:
    """Its upstreams are its own configuration's."""
    world = _world()
    world.around.forwards[10] = True
    world.ask(10)
    world.tick()
    reason, advice = _said(world)
    assert "on behalf of others" in reason
    assert "forwarder's configuration" in advice


def test_a_process_that_reads_at_a_steady_pace_will_heal() -> None:
    """Two intervals were seen; several opens at once are one read. The next one is not far."""
    world = _world()
    for _ in range(3):
        world.read(10)
        world.read(10)
        world.clock.advance(30)
    world.ask(10)
    world.tick()
    world.change(NEW)
    world.past_grace()
    world.ask(10, OLD, 2)
    world.tick()
    reason, advice = _said(world)
    assert reason.endswith("it reads the file every 30 s and will heal")
    assert advice.startswith("wait 30 s, or restart")


@pytest.mark.parametrize("pauses", [(30,), (30, 100), (0.1, 0.1)])
def test_a_pace_that_is_none_promises_nothing(pauses: tuple[float, ...]) -> None:
    """One interval, two that differ, and opens at once."""
    world = _world()
    for pause in pauses:
        world.read(10)
        world.clock.advance(pause)
    world.make_stale(10)
    assert "read the file at generation 1 and never since" in _said(world)[0]


def test_a_process_that_looks_at_the_new_file_and_does_not_read_it_goes_by_its_time() -> None:
    """Go and libasr, where the new file came with the old one's time: touching it is enough."""
    world = _in_state(State.STALE)
    world.check(10)
    world.ask(10)
    world.tick()
    reason, advice = _said(world)
    assert "looked at generation 2 and did not read it" in reason
    assert advice.startswith("touch /etc/resolv.conf")


def test_a_process_watched_from_its_exec_that_never_reads_has_its_own_configuration() -> None:
    """And one whose exec nobody saw may have read before."""
    world = _world()
    world.execute(10)
    world.ask(10)
    world.tick()
    world.change(NEW)
    world.past_grace()
    world.ask(10, OLD, 2)
    world.tick()
    reason, advice = _said(world)
    assert "it never read the file: pinned by its own configuration" in reason
    assert advice.startswith(f"look for {OLD} in its own configuration")


def test_a_chroots_copy_is_named() -> None:
    """Where an administrator finds it."""
    world = _in_state(State.OUTDATED)
    view = world.process(10).view
    assert view
    view.inside = "/var/spool/postfix"
    reason, advice = _said(world)
    assert "its own copy, /var/spool/postfix/etc/resolv.conf, still lists" in reason
    assert advice.startswith("refresh /var/spool/postfix/etc/resolv.conf, then restart")


def test_a_client_of_nscd_is_as_well_as_nscd_is() -> None:
    """It is not the client that has to be restarted."""
    world = _world()
    world.around.identities[11] = Identity("nscd", "/usr/sbin/nscd", unit="nscd.service")
    world.start(11)
    world.read(10)
    world.try_socket(10, Service.NSCD, answered=True)
    world.read(11)
    world.ask(11)
    world.tick()
    assert _said(world) == ("looks names up through nscd (pid 11), which is current", "nothing to do")
    world.change(NEW)
    world.past_grace()
    world.ask(11, OLD, 2)
    world.tick()
    reason, advice = _said(world)
    assert reason == "looks names up through nscd (pid 11), which is stale"
    assert advice == "the cure is nscd's: restart it: systemctl restart nscd.service"


@pytest.mark.parametrize(
    ("service", "name"), [(Service.NSCD, "nscd"), (Service.RESOLVED, "systemd-resolved"), (Service.SSSD, "SSSD")]
)
def test_a_client_of_a_lookup_service_is_in_good_hands(service: Service, name: str) -> None:
    """That follows resolv.conf for it."""
    world = _world()
    world.read(10)
    world.try_socket(10, service, answered=True)
    reason, advice = _said(world)
    assert f"through {name}" in reason
    assert advice == "nothing to do"


def test_a_process_without_a_view_is_spoken_of_too() -> None:
    """Its root could not be looked at."""
    world = _world()
    world.around.by_root[1] = None
    world.ask(10)
    world.tick()
    reason, advice = _said(world)
    assert _is_one_sentence(reason), reason
    assert _is_one_sentence(advice), advice
