"""`resolvtrace who`: may this nameserver be switched off? Never yes before it was watched for long enough."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from exporter.cli import main
from tests.support.samples import CHANGE, HOSTILE, NEW, OLD, SECOND, Served, process, snapshot, use
from tracer.report.snapshot import PastUse
from tracer.verdict.states import State

HOUR = 3600 * SECOND
NOW = CHANGE + 240 * SECOND


def who(daemon: Served, *words: str) -> int:
    """Run it; give its exit status."""
    return main(["who", *words, "--socket", daemon.path])


def gone(last: int, **changes: object) -> PastUse:
    """Return what a cron job has left."""
    plain = PastUse(OLD, "cron.service", "/usr/bin/backup", "host", 23, last)
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", sorted(set(State) - {State.RETIRED, State.QUIET}))
def test_somebody_uses_it(daemon: Served, capsys: pytest.CaptureFixture[str], state: State) -> None:
    """Whatever is thought of that."""
    daemon.snapshot = snapshot(process(4711, state, nameservers=(use(state, OLD),)), watching_since=NOW - 48 * HOUR)
    assert who(daemon, OLD) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"No, keep {OLD}: 1 process uses it")
    assert "4711" in out


def test_nobody_uses_it_any_more(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Who did is shown."""
    daemon.snapshot = snapshot(process(4711, State.RETIRED), watching_since=NOW - 48 * HOUR)
    assert who(daemon, OLD, "--since", "4m") == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Yes, {OLD} may be switched off")
    assert "No longer using it:" in out


def test_a_quiet_process_may_come_back(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """It is listed apart, and as long as it lives the answer is not yes, however long it is quiet."""
    idle = process(4711, State.QUIET, "ss-server")
    daemon.snapshot = snapshot(idle, process(4712, State.RETIRED), watching_since=NOW - 48 * HOUR)
    assert who(daemon, OLD, "--since", "1m") == 3
    out = capsys.readouterr().out
    assert out.startswith("Not yet: ")
    quiet, no_longer = out.index("may use it again:"), out.index("No longer using it:")
    assert quiet < out.index("4711") < no_longer < out.index("4712")
    assert who(daemon, OLD, "--since", "1m", "--json") == 3
    assert json.loads(capsys.readouterr().out)["in_use"] is None


def test_a_quiet_process_hides_no_user(daemon: Served) -> None:
    """Somebody who uses it is the answer."""
    daemon.snapshot = snapshot(process(4711, State.QUIET), process(4712, State.STALE), watching_since=NOW - 48 * HOUR)
    assert who(daemon, OLD) == 1


def test_an_address_of_its_own_is_in_use_while_it_is_queried(daemon: Served) -> None:
    """A process that lives on, and has not queried it within the window, is no user any more."""
    own = use(State.UNLISTED, "192.0.2.99", last_query=NOW - 3 * HOUR)
    daemon.snapshot = snapshot(process(4711, State.UNLISTED, nameservers=(own,)), watching_since=NOW - 48 * HOUR)
    assert who(daemon, "192.0.2.99") == 1
    assert who(daemon, "192.0.2.99", "--since", "2h") == 0


def test_the_day_begins_with_the_removal(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """What was seen while everybody had to use it says nothing about who still does."""
    daemon.snapshot = snapshot(process(4711, State.RETIRED), watching_since=NOW - 48 * HOUR)
    assert who(daemon, OLD) == 3
    out = capsys.readouterr().out
    assert out.startswith("Too early to say")
    assert "--since 4m" in out.replace("\n", " ")


@pytest.mark.parametrize(("since", "status"), [("1h", 3), ("59m", 0)])
def test_a_daemon_knows_nothing_of_the_time_before_it(daemon: Served, since: str, status: int) -> None:
    """Not even of an address that nobody ever listed."""
    daemon.snapshot = snapshot(watching_since=NOW - HOUR + SECOND)
    assert who(daemon, "192.0.2.99", "--since", since) == status


def test_what_the_file_lists_is_in_use(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Though nobody has queried it yet."""
    daemon.snapshot = snapshot(watching_since=NOW - 48 * HOUR)
    assert who(daemon, NEW) == 1
    assert "/etc/resolv.conf lists it" in capsys.readouterr().out


def test_last_nights_cron_job_counts(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """It queried after the removal: tonight it will again."""
    daemon.snapshot = snapshot(past_uses=(gone(CHANGE + 60 * SECOND),), watching_since=NOW - 48 * HOUR)
    assert who(daemon, OLD, "--since", "4m") == 1
    assert "cron.service /usr/bin/backup: 23 queries" in capsys.readouterr().out


@pytest.mark.parametrize("last", [CHANGE - 60 * SECOND, NOW - 47 * HOUR])
def test_a_job_from_before_the_removal_does_not(daemon: Served, last: int) -> None:
    """The file lists it."""
    daemon.snapshot = snapshot(past_uses=(gone(last),), watching_since=NOW - 48 * HOUR)
    assert who(daemon, OLD, "--since", "4m") == 0


def test_a_job_with_an_address_of_its_own_counts_for_as_long_as_is_asked(daemon: Served) -> None:
    """No file ever listed it."""
    past = gone(NOW - 3 * HOUR, address="192.0.2.99")
    daemon.snapshot = snapshot(past_uses=(past,), watching_since=NOW - 48 * HOUR)
    assert who(daemon, "192.0.2.99") == 1
    assert who(daemon, "192.0.2.99", "--since", "2h") == 0


def test_json(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """One object; null if it is too early."""
    daemon.snapshot = snapshot(process(4711, State.STALE), past_uses=(gone(NOW),))
    assert who(daemon, OLD, "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["in_use"], said["address"]) == (True, OLD)
    assert [(one["pid"], one["state"], one["queries"]) for one in said["processes"]] == [(4711, "stale", 168)]
    assert [one["unit"] for one in said["past_uses"]] == ["cron.service"]
    assert who(daemon, "192.0.2.99", "--json") == 3
    assert json.loads(capsys.readouterr().out)["in_use"] is None


@pytest.mark.parametrize("written", ["::ffff:192.168.122.65", "::FFFF:C0A8:7A41"])
def test_the_address_may_be_written_in_any_form(daemon: Served, written: str) -> None:
    """It means the same nameserver."""
    daemon.snapshot = snapshot(process(4711, State.STALE))
    assert who(daemon, written) == 1


@pytest.mark.parametrize("words", [[], ["hat.com"], ["192.168.122"], [OLD, "--since", "soon"], [OLD, "--since", "24"]])
def test_wrong_usage_is_status_2(daemon: Served, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """With a word on what it takes."""
    with pytest.raises(SystemExit) as ended:
        who(daemon, *words)
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_no_daemon_is_status_3(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, as for check."""
    assert main(["who", OLD, "--socket", "/nonexistent/socket"]) == 3
    assert capsys.readouterr().err.startswith("resolvtrace who: no daemon")


def test_a_hostile_name_acts_nowhere(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a living one's nor one's that is gone."""
    daemon.snapshot = snapshot(process(1, State.STALE, HOSTILE), past_uses=(gone(NOW, exe=HOSTILE, unit=HOSTILE),))
    assert who(daemon, OLD) == 1
    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())
