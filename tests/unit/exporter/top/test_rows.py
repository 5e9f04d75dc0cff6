"""What `resolvtrace top` shows, before any terminal: rows, rates, order, columns that fit, the header."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.feed.top_table import Table, to_table
from exporter.top.arrangement import Arrangement
from exporter.top.batch import sample
from exporter.top.columns import COLUMNS, GAP, fit
from exporter.top.grid import STYLES
from exporter.top.header import Shown, header
from exporter.top.rows import Rates, Row, by_unit
from tests.support.samples import CHANGE, HOSTILE, NEW, OLD, SECOND, full, process, snapshot, use
from tracer.lookups import Transport
from tracer.report.snapshot import Snapshot
from tracer.verdict.following import Follows
from tracer.verdict.states import State


def rows(given: Snapshot, *earlier: Snapshot) -> list[Row]:
    """Give the rows of a sample, after others."""
    rates = Rates()
    for one in earlier:
        rates.rows(to_table(one))
    return rates.rows(to_table(given))


def asked(queries: int, seconds: int = 0, pid: int = 9) -> Snapshot:
    """Return a sample of one process."""
    one = snapshot(process(pid, nameservers=(use(State.CURRENT, NEW, queries=queries),)))
    return replace(one, time=one.time + seconds * SECOND)


def test_a_row_is_a_process_and_a_nameserver_over_all_transports() -> None:
    """The worst state of them, and the sum of their queries, the workers' too."""
    one = process(
        9,
        State.STALE,
        nameservers=(
            use(State.STALE, queries=3, worker_queries=4, queries_since_removed=5, last_query=7, stale_since=6),
            use(State.RETIRED, transport=Transport.TCP, queries=10, queries_since_removed=1, last_query=8),
            use(State.CURRENT, NEW),
        ),
    )
    old, new = rows(snapshot(one))
    assert (old.nameserver, old.state, old.since_removed, old.last_query, old.stale_since) == (OLD, "stale", 6, 8, 6)
    assert (new.nameserver, new.state) == (NEW, "current")
    assert to_table(snapshot(one))["rows"][0].queries == 17


def test_a_pod_is_named_where_a_container_would_be() -> None:
    """Its name says more than twelve digits."""
    one = process(1, container="0123456789abcdef", pod="shop/web-0")
    assert to_table(snapshot(one))["rows"][0].unit == "shop/web-0"


def test_a_process_that_queries_nothing_itself_has_a_row() -> None:
    """A client of nscd."""
    (row,) = rows(snapshot(process(9, nameservers=())))
    assert (row.pid, row.nameserver, row.rate) == (9, None, None)


def test_a_worker_is_left_to_its_owner_unless_it_is_worse() -> None:
    """One row for sendmail, and not one for each job."""
    owner = process(1, State.GRACE, workers=3)
    workers = [process(pid, state, owner=1, worker=True) for pid, state in ((2, State.GRACE), (3, State.STALE))]
    orphan = process(4, State.GRACE, owner=99, worker=True)
    assert [row.pid for row in rows(snapshot(owner, *workers, orphan))] == [1, 3, 4]


def test_rates_come_from_two_samples() -> None:
    """By the daemon's clock; a process that is new has sent all its queries since."""
    assert rows(asked(30))[0].rate is None
    assert rows(asked(30, 4), asked(10))[0].rate == pytest.approx(5)
    assert rows(asked(30, 4), asked(10, pid=8))[0].rate == pytest.approx(7.5)


def test_another_process_of_the_same_pid_has_no_negative_rate() -> None:
    """It has fewer queries than the last one had."""
    assert rows(asked(2, 1), asked(500))[0].rate == pytest.approx(2)


def test_stale_first_and_the_longest_of_them_first() -> None:
    """Then in the order of the states."""
    arranged = Arrangement().apply(rows(full()))
    states = [row.state for row in arranged]
    assert states[:4] == ["stale"] * 4
    assert states == sorted(states, key=[state.value for state in State].index)
    assert [row.stale_since for row in arranged[:4]] == sorted(row.stale_since or 0 for row in arranged[:4])


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.title)
def test_every_column_sorts_both_ways_and_puts_the_unknown_last(column: object) -> None:
    """Whatever it holds."""
    title = cast("str", getattr(column, "title"))  # noqa: B009
    one_way = Arrangement(sort=title)
    known = [one_way.column.key(row) for row in one_way.apply(rows(full()))]
    other = [one_way.column.key(row) for row in replace(one_way, reverse=True).apply(rows(full()))]
    for keys, falling in ((known, one_way.descending), (other, not one_way.descending)):
        there = [key for key in keys if key is not None]
        assert there == sorted(there, reverse=falling)
        assert keys[len(there) :] == [None] * (len(keys) - len(there))


def test_sorting_by_the_same_title_again_turns_it_round() -> None:
    """And by another begins in that one's own direction."""
    arranged = Arrangement().sorted_by("Q/S")
    assert arranged.descending
    assert not arranged.sorted_by("Q/S").descending
    assert arranged.sorted_by("Q/S").sorted_by("PID").column.title == "PID"
    assert not arranged.sorted_by("Q/S").sorted_by("PID").reverse


def test_stepping_through_the_columns_comes_round() -> None:
    """In either direction."""
    arranged = Arrangement()
    for _ in COLUMNS:
        arranged = arranged.sorted_by_next(1)
    assert arranged == Arrangement()
    assert arranged.sorted_by_next(-1).column is COLUMNS[-1]


@pytest.mark.parametrize(
    ("words", "pids"),
    [("sendmail", [812, 812]), ("SENDMAIL 10.0.0.9", [812]), ("4711", [4711]), ("outdated", [6000]), ("no such", [])],
)
def test_words_are_looked_for_in_every_cell(words: str, pids: list[int]) -> None:
    """All of them must be there."""
    assert [row.pid for row in Arrangement(filter=words).apply(rows(full()))] == pids


def test_a_unit_together_adds_up() -> None:
    """Its worst state, its earliest flag, its latest query."""
    many = [
        process(1, State.STALE, "a", unit="x.service", stale_since=CHANGE + 9),
        process(2, State.STALE, "b", unit="x.service", stale_since=CHANGE + 3),
        process(3, State.STALE, "c"),
        process(4, State.STALE, "c"),
        process(5, State.STALE, "d"),
    ]
    unit, loose, alone = by_unit(rows(snapshot(*many)))
    assert (unit.members, unit.comm, unit.unit, unit.since_removed) == (2, "2 programs", "x.service", 24)
    assert unit.stale_since == CHANGE + 3
    assert (loose.members, loose.comm, alone.members) == (2, "c", 1)


@given(st.integers(1, 400))
def test_columns_never_pass_the_edge_and_the_important_ones_stay(width: int) -> None:
    """From 39 places on all that stay fit."""
    placed = fit(width)
    assert [one.column.title for one in placed][:3] == ["STATE", "PID", "COMM"]
    assert [one.start for one in placed] == [
        sum(other.width + GAP for other in placed[:index]) for index in range(len(placed))
    ]
    if width >= 39:
        assert placed[-1].start + placed[-1].width <= width
    if width >= 100:
        assert len(placed) == len(COLUMNS)


def test_the_header_says_what_is_wrong() -> None:
    """Losses, probes that are not attached, a daemon that does not answer."""
    lines = dict(header(to_table(full()), Shown(Arrangement(filter="x"), paused=True, failure="no daemon: gone")))
    text = "\n".join(text for _, text in header(to_table(full()), Shown(Arrangement(), failure="no daemon: gone")))
    assert "PAUSED" in lines["title"]
    assert "filter: x" in lines["title"]
    for part in (NEW, "changed 4m ago", "4 stale", "ring_full 3", "openat2", "no daemon: gone; retrying"):
        assert part in text


def test_the_header_of_a_quiet_host_has_three_lines() -> None:
    """Nothing is said of what is well."""
    assert len(header(to_table(snapshot()), Shown(Arrangement()))) == 3
    assert "no process tracked yet" in header(to_table(snapshot()), Shown(Arrangement()))[2][1]


def test_a_host_without_a_view_is_reported() -> None:
    """Not known yet."""
    assert "unknown" in header(to_table(replace(full(), views=())), Shown(Arrangement()))[1][1]


def test_a_plain_sample_has_every_column_and_no_escape() -> None:
    """A hostile name is one cell."""
    text = sample(to_table(full()), Rates(), Arrangement())
    lines = text.splitlines()
    titles = next(line for line in lines if line.startswith("STATE"))
    assert titles.split() == [column.title for column in COLUMNS]
    assert HOSTILE not in text
    assert text.isprintable() or set(text) - {"\n"} == {char for char in text if char.isprintable()}
    assert len(lines) == lines.index(titles) + 1 + len(to_table(full())["rows"])


def test_the_form_survives_json() -> None:
    """A name that is no UTF-8 is made visible before it is sent."""
    form: Table = to_table(snapshot(process(1, comm="\udcff", unit="\udcfe.service")))
    assert form["rows"][0].comm == "\\xff"
    assert form["rows"][0].unit == "\\xfe.service"


def test_what_rules_ignore_has_no_row_but_is_counted() -> None:
    """`check --all` and `explain` tell of it."""
    ignored = use(State.STALE, rules=("lab",), ignored=True)
    form = to_table(snapshot(process(1, nameservers=(ignored, use(State.CURRENT, NEW))), process(2)))
    assert [(entry.pid, entry.nameserver) for entry in form["rows"]] == [(1, NEW), (2, NEW)]
    assert form["states"] == {"current": 2, "ignored": 1}


def test_every_state_has_a_style() -> None:
    """A state without one would stop the live view."""
    assert set(STYLES) == set(State)


def test_command_lines_are_sent_only_if_asked_for() -> None:
    """Ten thousand of them would be megabytes a second."""
    value = snapshot(process(9, comm="python3", command=("/usr/bin/python3", "a b.py")))
    assert to_table(value)["rows"][0].command == ""
    rates = Rates()
    (row,) = rates.rows(to_table(value, commands=True))
    names, lines = (
        next(one for one in fit(200, commands=full) if one.column.title == "COMM") for full in (False, True)
    )
    assert (names.column.text(row, 0), lines.column.text(row, 0)) == ("python3", "/usr/bin/python3 'a b.py'")
    assert lines.width > names.width
    assert Arrangement(filter="b.py").apply([row]) == [row]


def test_a_group_follows_as_its_worst_does() -> None:
    """One that stays is enough to look there."""
    group = [process(1, unit="a.service"), process(2, unit="a.service", follows=Follows.NO)]
    (row,) = by_unit(rows(snapshot(*group)))
    assert row.follows == "no"
