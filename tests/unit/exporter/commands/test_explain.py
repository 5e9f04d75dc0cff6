"""`resolvtrace explain`: the evidence on one process, in order of time."""

from __future__ import annotations

import json
import re

import pytest

from exporter.cli import main
from exporter.feed.serialization import encode
from exporter.text.explanation import explanation
from exporter.text.table import width_of
from exporter.text.timeline import timeline
from tests.support.samples import CHANGE, HOSTILE, NEW, OLD, SECOND, Served, full, process, snapshot, use
from tracer.lookups import LookupPath
from tracer.report.snapshot import LastRead, ProcessSnapshot, Snapshot
from tracer.verdict.states import State


def one_of(value: Snapshot, pid: int) -> ProcessSnapshot:
    """Give one process."""
    return next(one for one in value.processes if one.pid == pid)


def events_of(value: Snapshot, pid: int) -> list[str]:
    """Give the texts of the timeline."""
    return [event.text for event in timeline(value, one_of(value, pid))]


def test_the_timeline_is_in_order_of_time() -> None:
    """Start, read, first query, the change, the flag, last query."""
    started = CHANGE - 1800 * SECOND
    value = snapshot(
        process(
            10,
            State.STALE,
            started_at=started,
            reads=(LastRead(1, started + SECOND),),
            nameservers=(use(State.STALE, stale_since=CHANGE + 20 * SECOND),),
            stale_since=CHANGE + 20 * SECOND,
        )
    )
    assert events_of(value, 10) == [
        "started: /usr/bin/getip",
        f"read /etc/resolv.conf: generation 1, {OLD}",
        f"first query to {OLD} (UDP)",
        f"/etc/resolv.conf changed: generation 2, {NEW}, fe80::1%eth0",
        f"flagged: stale on {OLD}",
        f"last query to {OLD}: 168 queries in total, 12 since it was removed",
    ]


def test_a_query_comes_after_the_read_it_follows() -> None:
    """Though it is timed by a clock that is some milliseconds behind."""
    started = CHANGE - 1800 * SECOND
    first = use(State.CURRENT, NEW, first_query=started - SECOND // 500)
    value = snapshot(process(10, started_at=started, reads=(LastRead(1, started + 1000),), nameservers=(first,)))
    assert [text.split()[0] for text in events_of(value, 10)[:3]] == ["started:", "read", "first"]


def test_changes_from_before_it_are_no_part_of_it() -> None:
    """It has nothing to do with them."""
    later = CHANGE + 60 * SECOND
    value = snapshot(
        process(
            10,
            started_at=later,
            reads=(LastRead(2, later + SECOND),),
            nameservers=(use(State.CURRENT, NEW, first_query=later + 2 * SECOND),),
        )
    )
    assert not [text for text in events_of(value, 10) if "changed" in text]


def test_a_lookup_service_that_answered_is_reported() -> None:
    """With its name."""
    value = snapshot(process(10, lookup_path=LookupPath.NSCD, answered_at=CHANGE, looked_at=CHANGE + SECOND))
    assert "nscd answered a lookup" in events_of(value, 10)
    assert "last checked the file (stat)" in events_of(value, 10)


def test_it_ends_with_what_to_do(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """State, reason and advice, as check has them."""
    assert main(["explain", "812", "--socket", daemon.path]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "sendmail-mta, pid 812, sendmail.service, uid 0" in out
    assert "State: stale for 3m; looks up names through nscd, and queries nameservers directly too" in out
    assert "Do: Restart it: systemctl restart sendmail.service" in out


def test_a_worker_is_sent_to_its_owner(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Whose resolver state it uses."""
    assert main(["explain", "4801", "--socket", daemon.path]) == 0
    assert "resolvtrace explain 812" in capsys.readouterr().out


def test_json_has_the_events(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the process as check has it."""
    assert main(["explain", "812", "--json", "--socket", daemon.path]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["process"] == json.loads(json.dumps(encode(one_of(full(), 812))))
    assert [event["at"] for event in said["events"]] == sorted(event["at"] for event in said["events"])


def test_who_is_not_tracked_is_status_4(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that says what that means."""
    assert main(["explain", "999", "--socket", daemon.path]) == 4
    error = capsys.readouterr().err
    assert error.startswith("resolvtrace explain: process 999 is not tracked")
    assert error.count("\n") == 1


def test_no_daemon_is_status_3() -> None:
    """As for check."""
    assert main(["explain", "1", "--socket", "/nonexistent/socket"]) == 3


@pytest.mark.parametrize("width", [40, 64, 80, 200])
def test_it_fits_the_terminal(width: int) -> None:
    """Every process, at every width."""
    for one in full().processes:
        for line in explanation(full(), one, width).splitlines():
            assert width_of(line) < width


def test_a_hostile_name_acts_nowhere() -> None:
    """Nor does the name of its program."""
    text = explanation(full(), one_of(full(), 5000), 80)
    assert all(line.isprintable() for line in text.splitlines())
    assert not re.search(r"[\x1b\u202e]", text)
    assert HOSTILE not in text


def test_the_rule_that_applied_is_named(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """And what the state would be without it."""
    daemon.snapshot = snapshot(
        process(1, nameservers=(use(State.STALE, rules=("lab", "site.toml, line 3"), ignored=True),)),
        process(2, nameservers=(use(State.CURRENT, rules=("probes",)),)),
    )
    assert main(["explain", "1", "--socket", daemon.path]) == 0
    assert f"Rule:  {OLD} is ignored (it is stale), by lab, site.toml, line 3" in capsys.readouterr().out
    assert main(["explain", "2", "--socket", daemon.path]) == 0
    assert f"Rule:  {OLD} is expected, by probes" in capsys.readouterr().out


def test_the_command_line_tells_which_program_it_is() -> None:
    """Of many that are called python3."""
    one = process(10, comm="python3", command=("/usr/bin/python3", "/opt/mail checks.py", r"\x1b[31m"))
    assert "Command: /usr/bin/python3 '/opt/mail checks.py' '\\x1b[31m'" in explanation(snapshot(one), one, 100)
    assert "Command:" not in explanation(snapshot(process(10)), process(10), 100)
