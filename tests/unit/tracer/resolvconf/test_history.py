"""The past of a view: what makes a generation, what makes a removal, and which generation a read found."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.doubles import NEW, OLD, OTHER, conf
from tracer.resolvconf.history import SECOND, History, Removal, first_generation, follow
from tracer.resolvconf.parser import ResolvConf

_ADDRESSES = st.sampled_from([f"192.0.2.{number}" for number in range(1, 7)])
_LISTS = st.lists(_ADDRESSES, min_size=1, max_size=3, unique=True)
_CONFS = _LISTS.map(lambda addresses: conf(*addresses))
_PASTS = st.lists(_CONFS, min_size=1, max_size=8)


def _history(confs: list[ResolvConf]) -> History:
    """Return a past in which each second brings a state of the file, noticed half a second later."""
    history = first_generation(confs[0], SECOND, SECOND)
    for number, one in enumerate(confs[1:], start=2):
        history = follow(history, one, number * SECOND, number * SECOND + SECOND // 2)
    return history


def test_the_first_generation_is_number_one_and_began_when_the_file_changed() -> None:
    """A process that read before the daemon came has read generation 1, if the file was already so."""
    history = first_generation(conf(OLD), 50 * SECOND, 10 * SECOND)
    assert (history.current.number, history.current.began, history.current.noticed) == (1, 10 * SECOND, 50 * SECOND)
    assert history.file_changed == 10 * SECOND


def test_a_file_from_the_future_begins_now() -> None:
    """A wall clock that was set back leaves a ctime in the future; no generation begins after it was noticed."""
    assert first_generation(conf(OLD), 50, 90).current.began == 50


@settings(deadline=None)
@given(_CONFS, st.integers(0, 100))
def test_the_same_list_written_again_is_no_new_generation(listed: ResolvConf, later: int) -> None:
    """A rewrite that leaves the list alone changes neither number nor times nor removals."""
    history = _history([conf(OLD), listed])
    again = follow(history, replace(listed), 10 * SECOND + later, 11 * SECOND + later)
    assert again == history


def test_other_options_for_the_same_list_hold_for_the_next_removal() -> None:
    """The grace speaks of the lookups that the file allowed when it was changed, whatever it said at first."""
    history = first_generation(conf(OLD, lookup=10), SECOND, SECOND)
    history = follow(history, conf(OLD, lookup=90), 2 * SECOND, 2 * SECOND)
    assert history.current.number == 1
    history = follow(history, conf(NEW, lookup=5), 3 * SECOND, 3 * SECOND)
    assert history.removals[OLD].lookup_seconds == 90


@settings(deadline=None)
@given(_LISTS, st.data())
def test_nameservers_in_another_order_are_removed_from_nowhere(listed: list[str], data: st.DataObject) -> None:
    """The first nameserver to be queried changes the list, and so the generation, and takes nobody off it."""
    turned = data.draw(st.permutations(listed))
    history = _history([conf(*listed), conf(*turned)])
    assert history.removals == {}
    assert history.current.number == (1 if turned == listed else 2)


def test_a_nameserver_that_another_resolver_still_takes_is_not_removed() -> None:
    """From the first place to the fourth: glibc leaves it, others do not, and it is listed for both."""
    history = _history([conf(OLD), conf(NEW, also=(OLD,))])
    assert history.current.number == 2
    assert history.lists(OLD)
    assert OLD not in history.removals


def test_what_only_other_resolvers_took_is_removed_all_the_same() -> None:
    """An address that was listed and is no more is removed, whoever took it."""
    history = _history([conf(NEW, also=(OLD,)), conf(NEW)])
    assert history.removals[OLD].generation == 2


@settings(deadline=None)
@given(_PASTS)
def test_listed_and_removed_exclude_each_other(confs: list[ResolvConf]) -> None:
    """An address is listed, or removed by one generation, or was never there."""
    history = _history(confs)
    ever = frozenset[str]().union(*(one.listed for one in confs))
    assert set(history.removals) == ever - history.current.conf.listed
    assert all(history.listed_once(address) for address in ever)
    assert not history.listed_once(OTHER)


@settings(deadline=None)
@given(_PASTS)
def test_a_removal_names_the_generation_that_first_did_without_the_address(confs: list[ResolvConf]) -> None:
    """Later generations that do without it too leave the removal as it was."""
    history = _history(confs)
    by_number = {one.number: one for one in history.generations}
    for address, removal in history.removals.items():
        assert address in by_number[removal.generation - 1].conf.listed
        assert all(address not in one.conf.listed for one in history.generations if one.number >= removal.generation)
        assert removal.noticed == by_number[removal.generation].noticed


@settings(deadline=None)
@given(_PASTS, st.integers(-SECOND, 12 * SECOND))
def test_a_read_found_the_latest_generation_that_had_begun(confs: list[ResolvConf], time: int) -> None:
    """A read is placed by when the file came to say so, not by when we noticed."""
    history = _history(confs)
    begun = [one for one in history.generations if one.began <= time]
    assert history.at(time) == (begun[-1] if begun else history.generations[0])


def test_a_read_between_change_and_notice_found_the_new_generation() -> None:
    """A fast reader is ahead of our refreshes."""
    history = _history([conf(OLD), conf(NEW)])
    assert history.at(2 * SECOND).number == 2
    assert history.at(2 * SECOND - 1).number == 1


def test_an_address_is_listed_since_the_first_of_the_latest_lists_that_name_it() -> None:
    """An earlier time on the list does not count, nor does when the rest of the list changed."""
    history = _history([conf(OLD), conf(NEW), conf(OLD), conf(OLD, NEW)])
    assert history.listed_since(OLD) == 3 * SECOND
    assert history.listed_since(NEW) == 4 * SECOND
    assert history.listed_since(OTHER) is None


def test_a_view_that_never_rests_is_kept_within_bounds() -> None:
    """A container may rewrite its file for ever; numbers go on, and what is kept does not grow."""
    history = first_generation(conf(OLD), 0, 0)
    for number in range(1, 1000):
        listed = conf(f"10.0.{number // 250}.{number % 250}")
        history = follow(history, listed, number, number)
    assert history.current.number == 1000
    assert len(history.generations) <= 64
    assert len(history.removals) <= 256
    assert "10.0.3.247" in history.removals, "the latest removals are the ones that matter"


def test_the_grace_is_the_greater_of_the_setting_and_the_longest_lookup() -> None:
    """A healthy glibc retries a dead nameserver until its lookup is over."""
    assert Removal(SECOND, 2, lookup_seconds=10).deadline(15) == 16 * SECOND
    assert Removal(SECOND, 2, lookup_seconds=60).deadline(15) == 61 * SECOND


def test_the_longest_lookup_counts_for_two_minutes_at_most() -> None:
    """Some options allow a lookup of an hour; a grace set by the administrator may still be longer."""
    assert Removal(0, 2, lookup_seconds=3600).deadline(15) == 120 * SECOND
    assert Removal(0, 2, lookup_seconds=3600).deadline(200) == 200 * SECOND


def test_a_crowded_file_does_not_push_its_own_nameservers_out_of_the_removals() -> None:
    """However many addresses others take from a file, those that glibc queries are remembered when they go."""
    crowd = tuple(f"200.1.{number // 250}.{number % 250}" for number in range(300))
    history = _history([conf(OLD, also=crowd), conf(NEW)])
    assert OLD in history.removals
