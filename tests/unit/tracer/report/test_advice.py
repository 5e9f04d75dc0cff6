"""Evidence in words: one sentence each, nothing guessed, and whom to restart."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.support.doubles import ELSEWHERE, NEW, OLD, a_view, conf
from tests.support.words import said
from tests.support.world import World
from tracer.identity import Identity
from tracer.kernel.records import Lookup, Service
from tracer.observation.forwarders import Forwarding
from tracer.resolvconf.history import LONGEST_LOOKUP_SECONDS, first_generation, follow
from tracer.resolvconf.parser import EMPTY
from tracer.verdict.states import State

ID = "0123456789abcdef" * 4
WHO = {
    "nobody": Identity("getip", "/usr/bin/getip"),
    "service": Identity("getip", None, unit="sendmail.service"),
    "session": Identity("getip", None, unit="session-3.scope"),
    "container": Identity("getip", None, container=ID),
    "pod": Identity("getip", None, container=ID, pod="shop/web-0"),
    "service in a container": Identity("getip", None, container=ID, inner_unit="nginx.service"),
}
STATES = {
    State.STALE,
    State.OUTDATED,
    State.GRACE,
    State.SUSPECT,
    State.QUIET,
    State.UNLISTED,
    State.CURRENT,
    State.RETIRED,
}


def _world(who: str = "nobody") -> World:
    world = World()
    world.machine.identities[10] = WHO[who]
    world.start(10)
    return world


def _in_state(state: State, who: str = "nobody") -> World:
    """Return a world in which pid 10 is in a state."""
    world = _world(who)
    if state is State.STALE:
        world.make_stale(10)
    elif state is State.OUTDATED:
        world.machine.by_root[1] = a_view(first_generation(conf(OLD), world.clock.now, 1), "7:1:2")
        world.read(10)
        world.query(10)
        world.change(NEW)
    elif state is State.SUSPECT:
        world.host.history = replace(world.host.history, file_changed=world.clock.now * 2)
        world.query(10, ELSEWHERE)
    elif state is State.UNLISTED:
        world.query(10, ELSEWHERE)
    else:
        world.read(10)
        world.query(10)
        world.tick()
        if state is not State.CURRENT:
            world.change(NEW)
        if state is State.GRACE:
            world.query(10)
        if state is State.RETIRED:
            world.read(10)
    world.tick()
    assert world.process(10).worst is state
    return world


def _is_one_sentence(text: str) -> bool:
    return bool(re.fullmatch(r"\S.*[^\s.,;]", text)) and ". " not in text and "None" not in text


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("state", sorted(STATES))
def test_each_state_has_a_sentence_of_reason_and_one_of_advice(state: State, who: str) -> None:
    """Whoever it is."""
    reason, advice = said(_in_state(state, who))
    assert _is_one_sentence(reason), reason
    assert _is_one_sentence(advice), advice


@pytest.mark.parametrize("state", sorted(STATES - {State.UNLISTED, State.SUSPECT}))
def test_the_reason_names_the_nameserver(state: State) -> None:
    """And not another."""
    assert OLD in said(_in_state(state))[0]


@pytest.mark.parametrize(
    ("who", "what"),
    [
        ("nobody", "restart getip (pid 10)"),
        ("service", "systemctl restart sendmail.service"),
        ("session", "restart getip (pid 10)"),
        ("container", "restart container 0123456789ab"),
        ("pod", "restart pod shop/web-0: kubectl -n shop delete pod web-0"),
        ("service in a container", "restart container 0123456789ab"),
    ],
)
def test_stale_advice_names_what_to_restart(who: str, what: str) -> None:
    """The unit, the container, or the process itself."""
    assert what in said(_in_state(State.STALE, who))[1]


@pytest.mark.parametrize(
    ("who", "what"),
    [
        ("container", "restart container 0123456789ab"),
        ("pod", "kubectl -n shop delete pod web-0"),
        ("service", "refresh the copy of resolv.conf that it sees, then restart it: systemctl restart sendmail"),
    ],
)
def test_outdated_advice_is_about_the_copy(who: str, what: str) -> None:
    """A container gets its copy when it starts; a chroot's somebody has to refresh."""
    assert what in said(_in_state(State.OUTDATED, who))[1]


def test_a_frozen_process_read_once() -> None:
    """Generation and count are those of the evidence."""
    reason, _ = said(_in_state(State.STALE))
    assert reason == (
        f"sent 2 queries to {OLD} after /etc/resolv.conf dropped it (generation 2); "
        "it has not re-read the file since generation 1"
    )


def test_a_single_query_is_one_query() -> None:
    """As people say it."""
    assert said(_in_state(State.GRACE))[0].startswith(f"sent 1 query to {OLD} after /etc/resolv.conf dropped it")


def test_a_quiet_process_may_query_the_old_nameserver_again() -> None:
    """Nothing was seen of it since the change."""
    reason, advice = said(_in_state(State.QUIET))
    assert reason == (
        f"has queried nobody since /etc/resolv.conf dropped it (generation 2), and has not re-read the file: "
        f"it may query {OLD} again"
    )
    assert advice == "check again after its next lookup, or restart getip (pid 10)"


def test_the_reason_of_a_retired_process_says_what_shows_it() -> None:
    """That it re-read the file, or has queried listed servers since."""
    world = _in_state(State.RETIRED)
    assert said(world)[0].endswith("and has re-read the file since")
    world = _in_state(State.QUIET)
    world.query(10, NEW)
    world.tick()
    assert said(world)[0] == f"queries {NEW}, which /etc/resolv.conf lists"


def test_a_process_that_was_never_seen_to_read_is_not_said_to_have_read() -> None:
    """It read before the daemon came."""
    world = _world()
    world.query(10)
    world.change(NEW)
    world.past_grace()
    world.query(10, OLD, 2)
    world.tick()
    assert "it has not read the file since resolvtrace started" in said(world)[0]


def test_a_process_that_only_looked_is_said_to_have_looked() -> None:
    """Stat is no read in words."""
    world = _world()
    world.check(10)
    world.stay_behind(10)
    assert "it has not checked the file since generation 1" in said(world)[0]


def test_a_process_that_read_the_new_file_and_queries_the_old_one_is_pinned() -> None:
    """Its own configuration, or a second resolver: restarting may not help."""
    world = _in_state(State.STALE)
    world.read(10)
    world.tick()
    reason, advice = said(world)
    assert reason.endswith("has re-read the file since (generation 2), and not queried the old server after that")
    assert advice.startswith("wait for its next lookup: it may follow now; ")
    world.query(10, OLD)
    world.tick()
    reason, advice = said(world)
    assert reason.endswith(
        "it re-read the file (generation 2) and still queries the old server: its own configuration names it, "
        "or a second resolver in it read the file once"
    )
    assert f"if it still queries {OLD}, look for that in its own configuration" in advice


@pytest.mark.parametrize(("reads", "verb"), [(False, "reload"), (True, "restart")])
def test_a_reload_is_advised_to_who_reads_the_file_then(reads: bool, verb: str) -> None:
    """One that has re-read the file, and queries the old server all the same, is not helped by another read."""
    world = World()
    world.machine.identities[10] = Identity("squid", "/usr/sbin/squid", unit="squid.service")
    world.start(10)
    world.make_stale(10)
    if reads:
        world.read(10)
        world.past_grace()
        world.query(10, OLD, 2)
    world.tick()
    assert world.state(10) is State.STALE
    assert said(world)[1].startswith(f"{verb} it: systemctl {verb}")


def _spamd() -> World:
    """Return a world whose process 10 was forked by 9, which had set up a resolver, and reads the file by itself."""
    world = World()
    world.machine.identities[9] = Identity("spamd", "/usr/sbin/spamd", unit="spamd.service")
    world.machine.identities[10] = Identity("spamd child", "/usr/sbin/spamd", unit="spamd.service")
    world.start(9)
    world.read(9)
    world.query(9)
    world.fork(9, 10)
    world.tick()
    world.change(NEW)
    world.read(10)
    world.query(10)
    world.past_grace()
    world.query(10, OLD, 2)
    world.tick()
    assert world.state(10) is State.STALE
    return world


def test_a_resolver_that_was_inherited_from_the_parent_names_the_parent() -> None:
    """The child re-read the file; what it queries was set up before the change (spamd)."""
    world = _spamd()
    reason, advice = said(world)
    assert reason.endswith(
        "it re-read the file (generation 2); the old server comes from a resolver that its parent, spamd (pid 9), "
        "set up before the change"
    )
    assert advice.startswith("reload its parent: systemctl reload-or-restart spamd.service")


def test_a_resolver_that_was_inherited_from_a_parent_that_has_exited_names_its_pid() -> None:
    """Nobody knows its name any more."""
    world = _spamd()
    world.exit(9)
    world.tick()
    world.tick()
    assert "its parent, pid 9, which has exited," in said(world)[0]


def test_a_helper_that_reads_the_file_is_named() -> None:
    """It is the one that has not re-read it (avahi-daemon)."""
    world = _world()
    world.fork(10, 11)
    world.query(10)
    world.read(11)
    world.tick()
    world.change(NEW)
    world.past_grace()
    world.query(10, OLD, 2)
    world.tick()
    assert said(world)[0].endswith("its helper, pid 11, read the file at generation 1 and has not re-read it")


def test_the_reason_names_an_empty_file() -> None:
    """It queries 127.0.0.1 since, though the file is long whole again."""
    world = _world()
    world.host.history = follow(world.host.history, EMPTY, world.clock.now, world.clock.now)
    world.read(10)
    world.query(10, "127.0.0.1")
    world.tick()
    world.change(NEW)
    world.clock.advance(LONGEST_LOOKUP_SECONDS)
    world.query(10, "127.0.0.1", 2)
    world.tick()
    assert "it read the file while it was empty, and has not re-read it" in said(world)[0]


def test_workers_are_mentioned_if_they_counted() -> None:
    """The owner itself sent no late query."""
    world = _in_state(State.STALE)
    world.fork(10, 11)
    world.query(11)
    world.tick()
    assert said(world)[0].startswith(f"it and its workers sent 3 queries to {OLD}")


def _through_nss(*lookups: Lookup) -> World:
    """Return a world in which pid 10 found no nscd, is stale, and queried so, a tick each."""
    world = _world()
    world.read(10)
    world.try_socket(10, Service.NSCD, answered=False)
    world.query(10)
    world.tick()
    world.change(NEW)
    world.past_grace()
    for lookup in lookups:
        world.query(10, OLD, 2, lookup=lookup)
        world.tick()
    return world


def test_a_process_that_goes_through_nss_could_use_nscd() -> None:
    """Its getaddrinfo() tries the socket again within a hundred lookups."""
    world = _through_nss(Lookup.THROUGH_NSS)
    assert "; or start nscd: its getaddrinfo() calls switch over within 100 lookups" in said(world)[1]


def test_one_that_follows_the_file_through_nss_needs_no_nscd() -> None:
    """What stays behind in it is a second resolver, which does not use nscd."""
    world = _through_nss(Lookup.THROUGH_NSS)
    world.read(10)
    world.past_grace()
    world.query(10, OLD, 2, lookup=Lookup.THROUGH_NSS)
    world.tick()
    reason, advice = said(world)
    assert "a second resolver in it" in reason
    assert "nscd" not in advice


def test_of_a_process_that_resolves_by_itself_too_nothing_is_promised() -> None:
    """Not all of its lookups would go through nscd."""
    assert "nscd" not in said(_through_nss(Lookup.THROUGH_NSS, Lookup.BY_ITSELF))[1]


def test_a_process_that_queries_for_more_than_addresses_is_not_sent_to_nscd() -> None:
    """MX, TXT and the like."""
    assert "; nscd cannot help: it queries for more than addresses" in said(_through_nss(Lookup.OTHER_TYPE))[1]


def test_if_nscd_runs_and_it_queries_nameservers_itself_it_bypasses_nscd() -> None:
    """sendmail, for MX."""
    world = _in_state(State.STALE)
    world.try_socket(10, Service.NSCD, answered=True)
    world.query(10)
    world.tick()
    assert said(world)[1].endswith("; it queries nameservers directly, bypassing nscd")


def test_a_forwarder_is_said_to_forward() -> None:
    """Its upstreams are its own configuration's."""
    world = _world()
    world.machine.forwards[10] = Forwarding(forwards=True)
    world.query(10)
    world.tick()
    reason, advice = said(world)
    assert "on behalf of others" in reason
    assert "forwarder's configuration" in advice


def test_a_process_that_reads_at_a_steady_pace_will_recover() -> None:
    """Two intervals were seen; several opens at once are one read. The next one is not far."""
    world = _world()
    for _ in range(3):
        world.clock.advance(30)
        world.read(10)
        world.read(10)
    world.stay_behind(10)
    reason, advice = said(world)
    assert reason.endswith("it checks the file every 30 s and will recover by itself")
    assert advice.startswith("wait 30 s: it follows by itself within 30 s; or restart")


@pytest.mark.parametrize("pauses", [(30,), (30, 100), (0.1, 0.1)])
def test_a_pace_that_is_none_promises_nothing(pauses: tuple[float, ...]) -> None:
    """One interval, two that differ, and opens at once."""
    world = _world()
    for pause in pauses:
        world.read(10)
        world.clock.advance(pause)
    world.make_stale(10)
    assert "it has not re-read the file since generation 1" in said(world)[0]


def test_a_process_that_looks_at_the_new_file_and_does_not_read_it_goes_by_its_time() -> None:
    """Go and libasr, where the new file came with the old one's time: touching it is enough."""
    world = _in_state(State.STALE)
    world.check(10)
    world.query(10)
    world.tick()
    reason, advice = said(world)
    assert "it checked the file (generation 2) without reading it" in reason
    assert advice.startswith("touch /etc/resolv.conf to update its mtime; if it still uses the old server, restart")


def test_a_process_watched_from_its_exec_that_never_reads_has_its_own_configuration() -> None:
    """And one whose exec nobody saw may have read before."""
    world = _world()
    world.execute(10)
    world.stay_behind(10)
    reason, advice = said(world)
    assert "it never read the file: its own configuration names the server, or another program told it" in reason
    assert advice.startswith(f"look for {OLD} in its own configuration")


def test_a_chroots_copy_is_named() -> None:
    """Where an administrator finds it."""
    world = _in_state(State.OUTDATED)
    view = world.process(10).view
    assert view
    view.inside = "/var/spool/postfix"
    reason, advice = said(world)
    assert "its own copy, /var/spool/postfix/etc/resolv.conf, still lists" in reason
    assert advice.startswith("refresh /var/spool/postfix/etc/resolv.conf, then restart")


def test_a_client_of_nscd_is_as_well_as_nscd_is() -> None:
    """It is not the client that has to be restarted."""
    world = _world()
    world.machine.identities[11] = Identity("nscd", "/usr/sbin/nscd", unit="nscd.service")
    world.start(11)
    world.read(10)
    world.try_socket(10, Service.NSCD, answered=True)
    world.read(11)
    world.query(11)
    world.tick()
    assert said(world) == ("looks names up through nscd (pid 11), which is current", "nothing to do")
    world.change(NEW)
    world.past_grace()
    world.query(11, OLD, 2)
    world.tick()
    reason, advice = said(world)
    assert reason == "looks names up through nscd (pid 11), which is stale"
    assert advice == "fix nscd: restart it: systemctl restart nscd.service"


@pytest.mark.parametrize(
    ("service", "name"), [(Service.NSCD, "nscd"), (Service.RESOLVED, "systemd-resolved"), (Service.SSSD, "SSSD")]
)
def test_a_client_of_a_lookup_service_is_in_good_hands(service: Service, name: str) -> None:
    """That follows resolv.conf for it."""
    world = _world()
    world.read(10)
    world.try_socket(10, service, answered=True)
    world.tick()
    reason, advice = said(world)
    assert f"through {name}" in reason
    assert advice == "nothing to do"


def test_a_process_without_a_view_is_spoken_of_too() -> None:
    """Its root could not be looked at."""
    world = _world()
    world.machine.by_root[1] = None
    world.query(10)
    world.tick()
    reason, advice = said(world)
    assert _is_one_sentence(reason), reason
    assert _is_one_sentence(advice), advice


def test_the_reason_names_a_chroot_without_the_file() -> None:
    """Glibc queries 127.0.0.1 then."""
    world = _world()
    world.machine.by_root[1] = None
    world.machine.absent = "/var/lib/chroot/etc/resolv.conf"
    world.read(10, result=-2)
    world.query(10, "127.0.0.1")
    world.tick()
    assert said(world) == (
        "queries 127.0.0.1: there is no /var/lib/chroot/etc/resolv.conf, and glibc queries 127.0.0.1 then",
        "put a copy of /etc/resolv.conf at /var/lib/chroot/etc/resolv.conf",
    )
    assert world.unidentified["no_resolv_conf"] == 1
    assert not any(world.lost.values())


def test_what_was_queried_before_there_was_a_file_in_the_chroot_is_not_judged_by_it() -> None:
    """Neither what glibc queries without a file, nor what the process queried before its chroot(2)."""
    world = _world()
    world.read(10)
    world.query(10)
    world.machine.by_root[2] = None
    world.machine.absent = "/jail/etc/resolv.conf"
    world.move(10, 2)
    world.read(10, result=-2)
    world.query(10, "127.0.0.1")
    world.tick()
    world.machine.by_root[2] = a_view(first_generation(conf(NEW), world.moment(), 1), "7:1:2")
    world.machine.absent = ""
    world.read(10)
    world.query(10, NEW)
    world.tick()
    states = {key.address: pair.state for key, pair in world.process(10).pairs.items()}
    assert states == {OLD: State.RETIRED, "127.0.0.1": State.RETIRED, NEW: State.CURRENT}
    assert said(world)[1] == "nothing to do"
    world.query(10, "127.0.0.1")
    world.tick()
    assert world.state(10) is not State.CURRENT


def test_a_default_of_its_own_is_distinguished_from_a_configuration() -> None:
    """A resolver that found an empty file, and queries what it has built in since."""
    world = _world()
    world.write(EMPTY)
    world.read(10)
    world.change(NEW)
    world.query(10, "8.8.8.8")
    world.tick()
    reason, advice = said(world)
    assert "its last read found an empty file, so it is most likely a default of its own" in reason
    assert advice == "restart getip (pid 10); if it still queries 8.8.8.8, look for that in its own configuration"
