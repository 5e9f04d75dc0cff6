"""The ledger: what each process did, counted once, and judged by the view it last read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.doubles import ELSEWHERE, LOOKUP_SECONDS, NEW, OLD, OTHER, a_view, conf
from tests.support.world import NETNS, World
from tracer.kernel.records import ProcessFlag, Service
from tracer.ledger.resolver_state import Read
from tracer.lookups import LookupPath, Transport
from tracer.observation.forwarders import Forwarding
from tracer.observation.values import Batch
from tracer.resolvconf.history import SECOND, first_generation
from tracer.verdict.rules import Policy
from tracer.verdict.states import State
from tracer.verdict.verdict import Thresholds


def _reader(*nameservers: str, lookup: int = LOOKUP_SECONDS) -> World:
    """Return a world with one process, pid 10, that has read the file."""
    world = World(*nameservers, lookup=lookup)
    world.start(10)
    world.read(10)
    return world


# The flag, end to end.


def test_a_process_that_goes_on_querying_is_stale() -> None:
    """Read once, queried the old one, goes on after the grace."""
    world = _reader()
    world.make_stale(10)
    assert world.state(10) is State.STALE
    assert world.process(10).worst is State.STALE
    assert world.process(10).flagged == world.clock.now


def test_a_process_that_follows_is_never_flagged() -> None:
    """It queries the old one once more, reads, and queries the new one."""
    world = _reader()
    world.query(10)
    world.tick()
    world.change(NEW)
    world.query(10)
    world.tick()
    assert world.state(10) is State.GRACE
    world.read(10)
    world.query(10, NEW)
    world.tick()
    assert (world.state(10), world.state(10, NEW)) == (State.RETIRED, State.CURRENT)
    assert world.process(10).worst is State.CURRENT


def test_time_alone_ends_a_grace() -> None:
    """No more queries are sent, and nobody touches the process."""
    world = _reader()
    world.change(NEW)
    world.query(10)
    world.tick()
    assert world.state(10) is State.GRACE
    world.past_grace()
    world.tick()
    assert world.state(10) is State.QUIET


def test_a_grace_is_over_when_all_that_was_queried_in_it_is_entered() -> None:
    """A snapshot within a tick shows no quiet process whose late query is about to be counted."""
    world = _reader()
    world.change(NEW)
    world.query(10)
    world.tick()
    world.past_grace()
    world.query(10)
    world.ledger.evaluate_changed()
    assert world.state(10) is State.GRACE
    world.tick()
    assert world.state(10) is State.GRACE
    world.query(10)
    world.tick()
    assert world.state(10) is State.STALE


def test_who_queried_right_after_a_change_is_not_quiet_before_that_is_counted() -> None:
    """It is as it was until the tick ends, and follows then."""
    world = _reader()
    world.query(10)
    world.tick()
    world.change(NEW)
    world.read(10)
    world.query(10, NEW)
    world.ledger.note_change(world.process(10))
    world.ledger.evaluate_changed()
    assert world.state(10) is State.CURRENT
    world.tick()
    assert world.state(10) is State.RETIRED


def test_a_removal_that_was_noticed_while_a_tick_ended_is_judged_in_the_next() -> None:
    """Nobody touches the process meanwhile."""
    world = _reader()
    world.query(10)
    world.tick()
    world.clock.advance(1)
    noticed = world.change(NEW)
    world.ledger.note_change(world.process(10))
    world.ledger.apply(Batch(noticed - 1))
    world.ledger.end_tick()
    assert world.state(10) is State.CURRENT
    world.tick()
    assert world.state(10) is State.QUIET


def test_a_node_process_stays_flagged_though_it_looks_at_the_file_each_time() -> None:
    """getaddrinfo() stats and queries the new one, c-ares the old one: no flapping after the own read's grace."""
    world = _reader()
    world.make_stale(10)
    world.read(10)
    world.past_grace()
    world.query(10, OLD, 2)
    world.tick()
    for _ in range(40):
        world.check(10)
        world.query(10, NEW)
        world.query(10, OLD)
        world.tick(10)
        assert world.state(10) is State.STALE


def test_what_was_sent_within_the_own_first_reads_grace_keeps_no_flag_up() -> None:
    """A lookup that began before the read may still query the old one; a second read opens no further grace."""
    world = _reader()
    world.make_stale(10)
    world.read(10)
    world.query(10, NEW)
    world.query(10, OLD, 5)
    world.tick()
    assert world.state(10) is State.RETIRED
    world.past_grace()
    world.read(10)
    world.query(10, OLD, 2)
    world.tick()
    assert world.state(10) is State.STALE


def test_a_stat_of_the_unchanged_file_counts_as_reading_it() -> None:
    """It moves the last read."""
    world = _reader()
    checked = world.check(10)
    world.query(10)
    world.tick()
    assert world.process(10).last_read == Read(checked, 1)


def test_a_stat_of_the_changed_file_is_no_read_and_clears_nothing() -> None:
    """The clear rule requires that the file was re-read."""
    world = _reader()
    world.make_stale(10)
    read = world.process(10).last_read
    world.check(10)
    world.query(10, NEW)
    world.tick()
    assert world.process(10).last_read == read
    assert world.state(10) is State.STALE


def test_a_flag_goes_when_the_process_reads_and_then_queries_a_current_one() -> None:
    """The clear rule, through records and counts."""
    world = _reader()
    world.make_stale(10)
    world.read(10)
    world.tick()
    assert world.state(10) is State.STALE, "reading alone is not following"
    world.query(10, NEW)
    world.tick()
    assert world.state(10) is State.RETIRED
    assert world.process(10).flagged is None


def test_querying_the_new_one_and_only_then_reading_is_not_following() -> None:
    """Read and then query: in that order."""
    world = _reader()
    world.make_stale(10)
    world.query(10, NEW)
    world.read(10)
    world.tick()
    assert world.state(10) is State.STALE


def test_keeping_to_the_new_one_for_clear_seconds_clears() -> None:
    """Without a read in sight: perhaps it reads another way."""
    world = _reader()
    world.make_stale(10)
    for _ in range(6):
        world.query(10, NEW)
        world.tick(49)
    assert world.state(10) is State.STALE
    world.tick(10)
    world.query(10, NEW)
    world.tick()
    assert world.state(10) is State.RETIRED


def test_late_queries_after_a_clear_raise_the_flag_again() -> None:
    """And it is younger than the first."""
    world = _reader()
    world.make_stale(10)
    first = world.process(10).flagged
    world.read(10)
    world.query(10, NEW)
    world.tick()
    world.past_grace()  # of its own first read
    world.query(10, OLD, 2)
    world.tick()
    second = world.process(10).flagged
    assert first is not None
    assert second is not None
    assert second > first


def test_the_nameserver_is_listed_again() -> None:
    """The flag goes with the next look at the file, and the count of what came since the removal with it."""
    world = _reader()
    world.make_stale(10)
    world.change(OLD, NEW)
    world.tick()
    assert world.state(10) is State.CURRENT
    (use,) = world.pair(10).uses.values()
    assert (use.queries, use.since_removed) == (3, 0)


def test_since_removed_counts_what_was_sent_after_the_removal_was_noticed() -> None:
    """And queries counts all."""
    world = _reader()
    world.query(10, OLD, 5)
    world.change(NEW)
    world.tick()
    world.query(10, OLD, 3)
    world.tick()
    (use,) = world.pair(10).uses.values()
    assert (use.queries, use.since_removed) == (8, 3)


def test_a_tick_across_the_change_counts_what_is_certain() -> None:
    """Of a burst that began before the removal the last two at most."""
    world = _reader()
    world.query(10, OLD, 5)
    world.change(NEW)
    world.query(10, OLD, 3)
    world.tick()
    (use,) = world.pair(10).uses.values()
    assert use.since_removed == 2


def test_thresholds_can_be_changed_under_way() -> None:
    """SIGHUP re-reads the configuration."""
    world = _reader(lookup=1)
    world.change(NEW, lookup=1)
    world.ledger.set_policy(Policy(Thresholds(min_queries=1, grace_seconds=1)))
    world.clock.advance(2)
    world.query(10)
    world.tick()
    assert world.state(10) is State.STALE


def test_handshakes_alone_never_flag() -> None:
    """A pool that keeps reconnecting to a dead nameserver's port 853 has queried nothing."""
    world = _reader()
    world.change(NEW)
    world.past_grace()
    world.query(10, OLD, 20, transport=Transport.TLS, handshake=True)
    world.tick()
    assert world.state(10) is not State.STALE
    assert world.queries(10) == (20, 0)


# What is counted, and for whom.


def test_each_query_is_counted_once_by_the_state_it_was_read_in() -> None:
    """queries_total, over states and transports, workers or not."""
    world = _reader()
    world.fork(10, 11)
    world.query(11, OLD, 7)
    world.query(10, ELSEWHERE, 3, transport=Transport.TCP)
    world.tick()
    world.change(NEW)
    world.past_grace()
    world.query(11, OLD, 5)
    world.query(10, NEW, 2)
    world.tick()
    world.exit(11)
    world.tick()
    total = world.ledger.queries_total
    assert total[State.CURRENT, Transport.UDP] == 7 + 2
    assert total[State.UNLISTED, Transport.TCP] == 3
    assert total[State.STALE, Transport.UDP] == 5
    assert sum(total.values()) == 17


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["query", "query", "query", "fork", "exit", "execute", "read", "change", "tick", "back"]),
            st.integers(10, 14),
            st.integers(10, 14),
            st.integers(1, 4),
        ),
        max_size=40,
    )
)
def test_whatever_processes_do_every_query_is_counted_once(story: list[tuple[str, int, int, int]]) -> None:
    """No history of forks, execs, exits, reads and changes loses a query or counts one twice."""
    world = World()
    world.start(10)
    sent = 0
    for act, pid, other, number in story:
        running = world.map.entries
        if act == "tick":
            world.tick(number)
        elif act in {"change", "back"}:
            world.change(NEW if act == "change" else OLD)
        elif pid not in running:
            continue
        elif act == "query":
            world.query(pid, (OLD, NEW, OTHER, ELSEWHERE)[number - 1], number)
            sent += number
        elif act == "fork" and other not in running:
            world.fork(pid, other)
        elif act == "exit":
            world.exit(pid)
        elif act == "execute":
            world.execute(pid)
        elif act == "read":
            world.read(pid)
    world.tick()
    assert sum(world.ledger.queries_total.values()) == sent
    for process in world.ledger.processes:
        assert process.owner.owner is process.owner, "an owner has no owner"
        assert process in process.res_state.members


def test_the_same_address_in_two_network_namespaces_is_two_nameservers() -> None:
    """Each has its state and its count."""
    world = _reader()
    world.query(10, OLD, 2, netns=NETNS)
    world.query(10, OLD, 3, netns=NETNS + 1)
    world.tick()
    counts = {key.netns: pair.uses[53, Transport.UDP].queries for key, pair in world.process(10).pairs.items()}
    assert counts == {NETNS: 2, NETNS + 1: 3}


def test_one_nameserver_over_several_transports_is_one_pair() -> None:
    """The evidence is about the nameserver; the counts stand by port and transport."""
    world = _reader()
    world.change(NEW)
    world.past_grace()
    world.query(10, OLD, 1)
    world.query(10, OLD, 1, transport=Transport.TCP)
    world.tick()
    assert world.state(10) is State.STALE
    assert {key: use.queries for key, use in world.pair(10).uses.items()} == {
        (53, Transport.UDP): 1,
        (53, Transport.TCP): 1,
    }


def test_a_link_local_nameserver_goes_by_the_name_of_its_interface() -> None:
    """The kernel side knows a number, resolv.conf a name."""
    world = _reader("fe80::1%eth2-of-10")
    world.query(10, "fe80::1", scope=2)
    world.tick()
    assert world.state(10, "fe80::1%eth2-of-10") is State.CURRENT


def test_queries_of_nobody_are_lost_and_said_so() -> None:
    """A segment whose process is not known is counted among what was lost."""
    world = _reader()
    world.query(10, OLD, 3)
    key, value = world.counted.popitem()
    world.counted[key._replace(tgid=0)] = value
    world.tick()
    assert world.ledger.lost["unattributed"] == 3
    assert not world.ledger.queries_total


def test_what_was_counted_for_a_peer_and_taken_back_is_no_query() -> None:
    """The kernel side takes one off if a datagram goes elsewhere than its socket's peer (bpf/datagrams.c)."""
    world = _reader()
    world.query(10, OLD)
    key, value = world.counted.popitem()
    world.counted[key] = value._replace(number=0)
    world.tick()
    assert not world.process(10).pairs


# Tracked processes.


def test_an_nscd_client_is_tracked_without_a_single_query() -> None:
    """It tried the socket and opened resolv.conf: its state is current."""
    world = _reader()
    world.try_socket(10, Service.NSCD, answered=True)
    world.tick()
    process = world.process(10)
    assert process.is_tracked
    assert (process.worst, process.lookup_path) == (State.CURRENT, LookupPath.NSCD)


def test_a_process_that_only_reads_the_file_is_not_tracked() -> None:
    """`cat /etc/resolv.conf` resolves nothing."""
    world = _reader()
    world.tick()
    assert not world.process(10).is_tracked
    assert not world.ledger.tracked


def test_a_process_that_only_tries_a_socket_is_not_tracked() -> None:
    """Passwd lookups go to nscd too."""
    world = World()
    world.start(10)
    world.try_socket(10, Service.NSCD, answered=True)
    world.tick()
    assert not world.kept(10)


def test_a_process_that_nscd_serves_with_names_is_tracked_though_it_never_read() -> None:
    """With nscd's table of names in its memory it looks names up."""
    world = World()
    world.start(10)
    world.try_socket(10, Service.NSCD, answered=True)
    world.machine.served_by_nscd = {10}
    world.tick()
    process = world.process(10)
    assert process.is_tracked
    assert (process.worst, process.lookup_path) == (State.CURRENT, LookupPath.NSCD)


def test_a_resolver_that_queries_thousands_stays_within_bounds() -> None:
    """A full resolver queries half the world; its own upstream is not forgotten for that."""
    world = _reader()
    world.query(10, OLD)
    world.tick()
    for turn in range(10):
        for number in range(1000):
            world.query(10, f"100.{turn}.{number // 250}.{number % 250}")
        world.tick()
    assert len(world.process(10).pairs) <= 256
    assert world.state(10, OLD) is State.CURRENT
    assert sum(world.ledger.queries_total.values()) == 10_001
    assert len(world.ledger.past_uses.uses) <= 4096


def test_a_removed_nameserver_is_not_lost_among_thousands() -> None:
    """It queries the old one now and then, between a thousand others that were never listed: it is stale."""
    world = _reader()
    world.change(NEW)
    world.past_grace()
    for turn in range(4):
        world.query(10, OLD)
        for number in range(1000):
            world.query(10, f"100.{turn}.{number // 250}.{number % 250}")
        world.tick()
    assert world.process(10).worst is State.STALE


def test_suspicions_by_the_thousand_leave_room_for_what_was_removed() -> None:
    """A process older than the file, whose every pair is suspect, is flagged for the one that is stale."""
    world = World()
    world.host.history = replace(world.host.history, file_changed=world.clock.now)
    world.start(10, birth=1)
    for number in range(1000):
        world.query(10, f"100.0.{number // 250}.{number % 250}")
        if number % 100 == 0:
            world.tick()
    world.change(NEW)
    world.past_grace()
    for _ in range(3):
        world.query(10, OLD)
        world.tick()
    assert len(world.process(10).pairs) <= 256
    assert world.process(10).worst is State.STALE


# Ends and reuse.


def test_an_exit_takes_the_flag_with_it_and_leaves_a_trace() -> None:
    """Nobody inherits; `who` still knows who queried."""
    world = _reader()
    world.make_stale(10)
    world.exit(10)
    world.tick()
    assert not world.kept(10)
    assert not world.ledger.evaluator.flagged
    world.tick()
    (key, use), *others = world.ledger.past_uses.uses.items()
    assert not others
    assert (key.exe, key.view, key.nameserver) == ("/usr/bin/getip", "host", OLD)
    assert use.queries == 3


def test_an_exec_ends_the_process_and_begins_another() -> None:
    """What the old image did is not the new one's."""
    world = _reader()
    world.make_stale(10)
    world.execute(10)
    world.tick()
    assert not world.kept(10)
    world.query(10, NEW)
    world.tick()
    assert world.process(10).id.execs == 1
    assert world.process(10).worst is State.CURRENT
    assert world.process(10).last_read is None


def test_a_pid_that_is_used_again_is_another_process() -> None:
    """Same pid, other birth: the flag does not pass on, even if the exit was not reported."""
    world = _reader()
    world.make_stale(10)
    world.exit(10, recorded=False)
    world.start(10)
    world.query(10, NEW)
    world.tick()
    world.tick()
    assert world.process(10).worst is State.CURRENT
    assert world.process(10).last_read is None


def test_an_exit_that_no_record_reported_is_found() -> None:
    """The ring was full: a flagged process is looked after at every tick, however many others there are."""
    world = World()
    for pid in range(100, 500):
        world.start(pid)
        world.query(pid)
    world.start(10)
    world.make_stale(10)
    world.exit(10, recorded=False)
    world.tick()
    world.tick()
    assert not world.kept(10)


def test_an_exec_that_no_record_reported_is_found() -> None:
    """The entry's count of execs says so."""
    world = _reader()
    world.make_stale(10)
    world.execute(10, recorded=False)
    world.tick()
    world.tick()
    assert not world.kept(10)


def test_the_first_thread_may_exit_before_the_others() -> None:
    """Before Linux 6.16 an exit is uncertain, and /proc is read."""
    world = _reader()
    world.make_stale(10)
    world.machine.alive = {10}
    world.exit(10, certain=False)
    world.tick()
    world.tick()
    assert world.state(10) is State.STALE
    world.machine.alive = set()
    world.tick()
    world.tick()
    assert not world.kept(10)


def test_a_process_that_was_gone_before_its_queries_were_read_is_counted() -> None:
    """Queried and exited within one tick: counted, kept as a past use, gone."""
    world = World()
    world.start(10)
    world.query(10, OLD, 4)
    world.exit(10)
    world.tick()
    assert not world.kept(10)
    world.tick()
    assert world.past_queries() == [4]
    assert not len(world.ledger.processes)


def test_queries_read_after_the_exit_do_not_bring_a_process_back_for_good() -> None:
    """The exit may be known a tick before the last counts are."""
    world = _reader()
    world.query(10)
    late, world.counted = world.counted, {}
    world.exit(10)
    world.tick()
    world.counted = late
    world.tick()
    world.tick()
    world.tick()
    assert not len(world.ledger.processes)
    assert sum(world.ledger.queries_total.values()) == 1
    assert world.past_queries() == [1]


# Views.


def test_the_hosts_change_makes_a_container_outdated() -> None:
    """At once, without a query: its own copy lists what the host gave up."""
    world = World()
    copy = a_view(first_generation(conf(OLD), world.clock.now, 1), "7:1:2")
    world.machine.by_root[2] = copy
    world.start(10, root=2)
    world.query(10, OLD)
    world.tick()
    assert world.state(10) is State.CURRENT
    world.change(NEW)
    world.tick()
    assert world.state(10) is State.OUTDATED
    world.change(NEW, view=copy)
    world.tick()
    assert world.state(10) is State.QUIET


def test_a_process_is_judged_by_the_view_it_last_read() -> None:
    """HAProxy reads, then chroots: what it could read now says nothing."""
    world = _reader()
    world.query(10)
    world.tick()
    jail = a_view(first_generation(conf(OTHER), world.clock.now, 1), "7:1:2")
    world.machine.by_root[2] = jail
    world.move(10, 2)
    world.change(NEW)
    world.past_grace()
    world.query(10, OLD, 2)
    world.tick()
    assert world.process(10).view is world.host
    assert world.state(10) is State.STALE


def test_reading_another_view_is_judged_by_that_one() -> None:
    """It has entered a container and read the file there."""
    world = _reader()
    world.make_stale(10)
    inside = a_view(first_generation(conf(OLD), world.clock.now, 1), "7:1:2")
    world.machine.by_root[2] = inside
    world.move(10, 2)
    world.read(10)
    world.query(10, OLD)
    world.tick()
    assert world.state(10) is State.OUTDATED


def test_the_file_by_another_name_is_the_file() -> None:
    """/etc/../etc/resolv.conf, or the link's target: the same file is a read of it."""
    world = World()
    world.start(10)
    world.machine.files[77] = world.host
    read = world.read(10, "/run/NetworkManager/resolv.conf", inode=77)
    world.tick()
    assert world.process(10).last_read == Read(read, 1)


def test_another_file_of_that_name_is_no_read() -> None:
    """Dnsmasq's resolv-file, or a chroot's copy seen from outside."""
    world = World()
    world.start(10)
    world.read(10, "/run/dnsmasq/resolv.conf")
    world.tick()
    process = world.process(10)
    assert process.last_read is None
    assert process.other_files == {"/run/dnsmasq/resolv.conf"}


def test_names_that_a_process_makes_up_do_not_fill_memory() -> None:
    """Anyone may open any number of files called resolv.conf, there or not."""
    world = World()
    world.start(10)
    for number in range(5000):
        world.read(10, f"/home/{number}/resolv.conf")
    world.tick()
    assert len(world.process(10).other_files) <= 256


def test_a_view_that_cannot_be_looked_at_is_said_so() -> None:
    """The read is kept, the view is not known, nobody is accused."""
    world = World()
    world.machine.by_root[2] = None
    world.start(10, root=2)
    world.read(10)
    world.query(10)
    world.tick()
    assert world.ledger.lost["view_unreadable"] == 1
    assert world.state(10) is State.UNLISTED


def test_who_goes_where_nobody_can_look_keeps_the_view_that_it_had() -> None:
    """It never read the file, and has a flag; after unshare(2) in a thread that outlived the first one, say."""
    world = World()
    world.start(10)
    world.stay_behind(10)
    world.machine.by_root[2] = None
    world.move(10, 2)
    world.query(10)
    world.tick()
    assert world.state(10) is State.STALE


def test_whoever_changed_is_reported_once_to_the_store_and_once_to_the_report() -> None:
    """Each writes down what has changed, and no more."""
    world = _reader()
    world.start(11)
    for pid in (10, 11):
        world.query(pid)
    world.tick()
    everybody = {world.process(10), world.process(11)}
    assert world.ledger.take_unsaved() == world.ledger.take_unreported() == everybody
    world.query(11)
    world.tick()
    assert world.ledger.take_unsaved() == world.ledger.take_unreported() == {world.process(11)}
    world.tick()
    assert not world.ledger.take_unsaved()
    world.change(NEW)
    world.tick()
    assert world.ledger.take_unsaved() == everybody


def test_who_came_and_left_while_nobody_looked_is_not_kept_for_the_next_look() -> None:
    """There may be none for a long time, and thousands of jobs in every second of it."""
    world = _reader()
    world.tick()
    world.ledger.take_unsaved()
    for pid in (11, 12):
        world.start(pid)
        world.read(pid)
        world.query(pid)
    world.exit(11)
    world.tick()
    assert {one.pid for one in world.ledger.take_unsaved()} == {12}
    world.exit(12)
    world.tick()
    assert {one.pid for one in world.ledger.take_unsaved()} == {12}  # the store has a record of this one to drop
    assert {one.pid for one in world.ledger.take_unreported()} == {10}


def test_the_store_learns_that_a_restored_process_exited() -> None:
    """It has a record of it, though this daemon has not written one: or it comes back after the next restart."""
    world = _reader()
    world.query(10)
    world.tick()
    world.restart(lambda: world.exit(10))
    world.tick()
    assert [(one.pid, one.ended is not None) for one in world.ledger.take_unsaved()] == [(10, True)]


@pytest.mark.parametrize("address", [OLD, NEW])
def test_queries_of_who_exits_at_once_count_by_their_state(address: str) -> None:
    """It came, queried and exited within a tick, as most commands do."""
    world = World(OLD)
    world.start(10)
    world.read(10)
    world.query(10, address)
    world.exit(10)
    world.tick()
    state = State.CURRENT if address == OLD else State.UNLISTED
    assert world.ledger.queries_total == {(state, Transport.UDP): 1}


def test_nothing_but_a_past_use_is_kept_of_who_came_and_left() -> None:
    """Neither the process nor what it read: until the next tidying there may be a hundred thousand of them."""
    world = _reader()
    world.query(10)
    world.tick()
    world.fork(10, 11)
    world.read(11)
    world.query(11)
    world.exit(11)
    before = {state.id for state in world.ledger.states}
    world.tick()
    world.tick()
    assert [process.pid for process in world.ledger.processes] == [10]
    assert {state.id for state in world.ledger.states} == before


def test_what_a_parent_read_is_kept_for_the_child_that_did_nothing_so_far() -> None:
    """Its other child has queried and exited, and so has the parent."""
    world = _reader()
    world.query(10)
    world.fork(10, 11)
    world.fork(10, 12)
    world.query(12)
    world.tick()
    for pid in (12, 10):
        world.exit(pid)
        world.tick()
        world.tick()
    world.query(11)
    world.tick()
    read = world.process(11).last_read
    assert read is not None
    assert read.generation == 1


def test_what_a_helper_read_outlives_it_in_the_heir_of_whom_it_helped() -> None:
    """The helper queries too, later, and exits; then the daemon is restarted."""
    world = World(OLD)
    world.start(10)
    world.fork(10, 11)
    world.fork(10, 12)
    world.read(11)
    world.query(10)
    world.query(12)
    world.tick()
    world.tick()
    world.exit(10)
    world.tick()
    world.query(11)
    world.tick()
    world.exit(11)
    world.tick()
    world.tick()
    read = world.process(12).last_read
    assert read is not None
    world.query(12)
    world.tick()
    world.restart()
    world.tick()
    assert world.process(12).last_read == read


# Forwarders.


def test_moving_resolv_conf_to_the_local_stub_does_not_make_the_stub_stale() -> None:
    """From the upstream that the stub forwards to: resolv.conf now names the forwarder."""
    world = _reader()
    world.machine.forwards[10] = Forwarding(forwards=True, serves=frozenset({"192.0.2.1"}))
    world.query(10)
    world.tick()
    world.change("192.0.2.1")
    world.past_grace()
    world.query(10, OLD, 5)
    world.tick()
    assert world.state(10) is State.UNLISTED
    assert world.process(10).flagged is None


def test_a_forwarder_of_which_nothing_is_known_is_unlisted() -> None:
    """It never read resolv.conf: whatever it queries stands in a configuration that is not known."""
    world = World()
    world.start(10)
    world.machine.forwards[10] = Forwarding(forwards=True)
    world.query(10)
    world.tick()
    world.change(NEW)
    world.past_grace()
    world.query(10, OLD, 5)
    world.tick()
    assert world.state(10) is State.UNLISTED


def test_a_forwarder_that_queries_what_it_read_in_resolv_conf_is_judged_by_that() -> None:
    """aardvark-dns, PowerDNS: it takes its upstreams from there."""
    world = _reader()
    world.machine.forwards[10] = Forwarding(forwards=True)
    world.make_stale(10)
    assert world.state(10) is State.STALE


def test_who_turns_out_to_forward_when_the_flag_would_go_up_is_spared() -> None:
    """It began to serve after it was first looked at."""
    world = _reader()
    world.query(10)
    world.tick()
    assert world.state(10) is State.CURRENT
    world.machine.forwards[10] = Forwarding(forwards=True)
    world.change("127.0.0.1")
    world.past_grace()
    world.query(10, OLD, 5)
    world.tick()
    assert world.state(10) is State.UNLISTED
    assert world.process(10).flagged is None


def test_a_forwarder_is_judged_by_the_file_of_its_upstreams() -> None:
    """systemd-resolved's own: listed there is current, whatever resolv.conf says."""
    world = World("127.0.0.53")
    own = a_view(first_generation(conf(OLD), world.clock.now, 1), "1:1:9", "/run/systemd/resolve/resolv.conf")
    world.machine.forwards[10] = Forwarding(forwards=True, upstreams=own)
    world.start(10)
    world.query(10, OLD)
    world.tick()
    assert world.state(10) is State.CURRENT
    world.change(NEW, view=own)
    world.past_grace()
    world.query(10, OLD, 2)
    world.tick()
    assert world.state(10) is State.STALE


def test_a_forwarder_that_reads_resolv_conf_is_still_judged_by_its_own_file() -> None:
    """systemd-resolved reads /etc/resolv.conf too, to see who wrote it."""
    world = World(OLD)
    own = a_view(first_generation(conf(OLD), world.clock.now, 1), "1:1:9", "/run/systemd/resolve/resolv.conf")
    world.machine.forwards[10] = Forwarding(forwards=True, upstreams=own)
    world.start(10)
    world.query(10, OLD)
    world.tick()
    world.change("127.0.0.53")
    world.read(10)
    world.query(10, OLD)
    world.tick()
    assert world.state(10) is State.CURRENT


def test_flags_of_the_kernel_side_reach_the_process() -> None:
    """A query's subject carries them."""
    world = World()
    world.start(10, flags=ProcessFlag.READ_ONCE)
    world.query(10)
    world.tick()
    assert world.process(10).flags & ProcessFlag.READ_ONCE


def test_the_ledger_stays_linear_in_a_thousand_short_jobs() -> None:
    """Workers that are gone leave nothing but counts."""
    world = _reader()
    for pid in range(100, 1100):
        world.fork(10, pid)
        world.query(pid, OLD)
        world.exit(pid)
        if pid % 20 == 0:
            world.tick()
    world.tick()
    world.tick()
    assert len(world.ledger.processes) == 1
    assert len(list(world.ledger.states)) <= 2
    assert world.queries(10) == (0, 1000)
    assert world.process(10).workers_seen == 1000
    assert world.clock.now > SECOND


def test_a_process_that_went_elsewhere_stays_with_what_it_read() -> None:
    """HAProxy reads, then chroots into a tree without a resolv.conf."""
    world = World()
    world.start(10)
    world.read(10)
    world.machine.by_root[2] = a_view(first_generation(conf(ELSEWHERE), world.clock.now, 1), "7:1:2")
    world.move(10, 2)
    world.stay_behind(10)
    assert world.state(10) is State.STALE
