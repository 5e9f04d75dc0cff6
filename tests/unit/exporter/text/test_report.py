"""The table of ``check``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from exporter.text.report import report, worth_a_look
from exporter.text.table import width_of
from tests.support.samples import FIXTURES, HOSTILE, NEW, OLD, SECOND, full, process, snapshot, use
from tracer.lookups import Transport
from tracer.report.snapshot import ProcessSnapshot
from tracer.verdict.answers import Answers
from tracer.verdict.states import State


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def pids(*processes: ProcessSnapshot) -> list[int]:
    """Return the pids that get a row, in order."""
    return [shown.pid for shown in worth_a_look(snapshot(*processes))]


@pytest.mark.parametrize(
    ("name", "width", "everything"),
    [("check.80.txt", 80, False), ("check.txt", None, False), ("check-all.80.txt", 80, True)],
)
def test_the_report_is_the_recorded_one(name: str, width: int | None, everything: bool) -> None:
    """On a terminal of 80 columns, into a pipe, and with every row."""
    assert report(full(), width, everything=everything) == (FIXTURES / name).read_text()


@pytest.mark.parametrize("width", [80, 100, 200])
def test_no_line_is_as_wide_as_the_terminal(width: int) -> None:
    """Long addresses, wide characters, unit names and hostile commands included."""
    address = "fe80:1234:5678:9abc:def0:1234:5678:9abc%enp0s31f6"
    long = process(
        4194304,
        State.STALE,
        "\x1b" * 15,
        unit="unit-" * 40 + "@.service",
        nameservers=(use(State.STALE, address, queries=10**9),),
        reason="x" * 300,
    )
    wide = process(2, State.STALE, "名前名前名")
    assert max(map(width_of, report(snapshot(long, wide), width).splitlines())) < width


def test_a_pod_is_named_where_a_container_would_be() -> None:
    """In the table and above what to do."""
    one = process(1, State.STALE, container="0123456789abcdef", pod="shop/web-0")
    lines = report(snapshot(one), None).splitlines()
    assert any(line.split()[:4] == ["stale", "1", "getip", "shop/web-0"] for line in lines)
    assert "getip, pid 1, pod shop/web-0:" in lines


def test_into_a_pipe_nothing_is_cut() -> None:
    """A script sees whole names."""
    address = "2001:db8:1234:5678:9abc:def0:1234:5678"
    value = snapshot(process(1, State.STALE, unit="u" * 99, nameservers=(use(State.STALE, address),)))
    table = report(value)
    assert address in table
    assert "u" * 99 in table


def test_nothing_from_a_process_acts_on_the_terminal() -> None:
    """Not from its comm, its unit, its reason or its advice."""
    value = snapshot(process(1, State.STALE, HOSTILE, unit=HOSTILE, reason=HOSTILE, advice=HOSTILE))
    shown = report(value, 80)
    assert all(line.isprintable() for line in shown.split("\n"))
    assert "\\x1b[31m" in shown


def test_worse_states_come_first_then_the_longer_flagged() -> None:
    """An administrator reads from the top."""
    assert pids(
        process(1, State.SUSPECT),
        process(2, State.GRACE),
        process(3, State.STALE, stale_since=2 * SECOND),
        process(4, State.OUTDATED),
        process(5, State.STALE, stale_since=1 * SECOND),
    ) == [5, 3, 4, 2, 1]


def test_what_is_well_gets_no_row() -> None:
    """Unlisted is as its administrator wanted it."""
    assert pids(process(1, State.CURRENT), process(2, State.UNLISTED), process(3, State.RETIRED)) == []


@pytest.mark.parametrize(
    ("owner", "worker", "rows"),
    [
        (State.STALE, State.STALE, [1]),
        (State.STALE, State.GRACE, [1]),
        (State.GRACE, State.STALE, [2, 1]),
        (State.CURRENT, State.SUSPECT, [2]),
    ],
)
def test_a_worker_has_a_row_only_if_it_is_worse_than_its_owner(owner: State, worker: State, rows: list[int]) -> None:
    """One row for sendmail: its listener's."""
    assert pids(process(1, owner), process(2, worker, owner=1, worker=True)) == rows


def test_a_worker_whose_owner_is_not_shown_stands_for_itself() -> None:
    """No flag is lost for lack of an owner's row."""
    assert pids(process(2, State.STALE, owner=1, worker=True)) == [2]


def test_the_row_is_of_the_worst_nameserver() -> None:
    """Not of the one that was queried most or last; workers' queries count in, and an estimate says so."""
    pairs = (
        use(State.CURRENT, NEW, queries=999, last_query=2**61),
        use(State.STALE, transport=Transport.TCP, queries=3, worker_queries=20),
    )
    table = report(snapshot(process(1, State.STALE, nameservers=pairs)))
    row = next(line for line in table.splitlines() if line.startswith("stale"))
    assert f"{OLD}      ~23" in row


def test_warnings_stand_on_top() -> None:
    """Who sees "nothing is stale" must see too that a probe is missing or events were lost."""
    head = report(full())
    assert "Warning: probes not attached: openat2\n" in head
    assert "may be missing: ring_full 3\n" in head
    assert "Warning" not in report(snapshot())


def test_an_empty_report_says_so() -> None:
    """No table, one sentence."""
    assert report(snapshot(views=()), 80).endswith("\n\nNothing is stale.\n")


def test_what_rules_ignore_is_shown_by_check_all() -> None:
    """With the rule; else it is a number."""
    ignored = use(State.STALE, rules=("lab machines",), ignored=True)
    value = snapshot(process(4711, nameservers=(ignored,)), process(4712, State.STALE))
    assert "stale: getip (pid 4711) on 192.168.122.65, by rule lab machines" in report(value, 80, everything=True)
    brief = report(value, 80)
    assert "4711" not in brief
    assert "1 ignored by rules" in " ".join(brief.split())
    assert "1 stale." in brief


def test_a_process_that_no_unit_names_is_identified_by_its_command_line() -> None:
    """Where there is a unit, that says it."""
    bare = process(1, State.STALE, "python3", command=("/usr/bin/python3", "check.py"))
    assert "  Runs: /usr/bin/python3 check.py\n" in report(snapshot(bare), 80)
    assert "Runs:" not in report(snapshot(replace(bare, unit="checks.service")), 80)


def test_a_nameserver_of_the_host_that_does_not_answer_is_named() -> None:
    """Whoever queries it waits, though nothing is stale."""
    silent = process(1, nameservers=(use(State.CURRENT, NEW, answers=Answers.NO),))
    assert f"Warning: no answers from {NEW}" in report(snapshot(silent))
    assert "Warning" not in report(snapshot(process(1)))


def test_what_a_silent_nameserver_does_to_lookups_is_said() -> None:
    """They fail, or they wait if another one answers."""
    silent = use(State.STALE, answers=Answers.NO)
    alone = process(1, State.STALE, nameservers=(silent,))
    served = process(1, State.STALE, nameservers=(silent, use(State.CURRENT, NEW, answers=Answers.YES)))
    assert f"{OLD} does not answer: lookups fail" in report(snapshot(alone))
    assert f"{OLD} does not answer: each lookup waits for it" in report(snapshot(served))
