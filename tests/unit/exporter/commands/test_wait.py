"""`resolvtrace wait`: the outcome of the last change, its exit status, and what happens when there is none."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.commands import wait as command
from exporter.feed.change_status import change_status
from exporter.feed.server import FeedServer
from exporter.text.wait_report import progress
from tests.support.samples import CHANGE, HOSTILE, OLD, SECOND, Served, process, running, snapshot, use
from tracer.report.snapshot import ProcessSnapshot, Snapshot
from tracer.verdict.states import State

NOW = CHANGE + 240 * SECOND
OVER = CHANGE + 15 * SECOND


class Ticking(Served):
    """A daemon whose clock goes on: a second with each question."""

    def ask(self) -> Snapshot:
        """Give the snapshot, a second later than the last time."""
        super().ask()
        self.snapshot = replace(self.snapshot, time=self.snapshot.time + SECOND)
        return self.snapshot


@pytest.fixture
def ticking(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ticking]:
    """Serve to a command that does not pause between its questions."""
    monkeypatch.setattr(command, "_EVERY_SECONDS", 0.01)
    own = Ticking(str(tmp_path_factory.mktemp("w") / "s"))
    with running(lambda: FeedServer.start(own.ask, own.path)):
        yield own


def one(pid: int, state: State, until: int = OVER, **changes: object) -> ProcessSnapshot:
    """Return a process that queried what the last change removed."""
    uses = (use(state, OLD, removed_in=2, grace_until=until),)
    return process(pid, state, **{"nameservers": uses, **changes})  # type: ignore[arg-type]


def changed(*processes: ProcessSnapshot, **changes: object) -> Snapshot:
    """Return a snapshot after the host's file dropped a nameserver."""
    plain = snapshot(*processes, **changes)
    return replace(plain, views=(replace(plain.views[0], removed=(OLD,)),))


def wait(daemon: Served, *words: str) -> int:
    """Run it; give its exit status."""
    return main(["wait", *words, "--socket", daemon.path])


def test_everybody_followed(ticking: Ticking, capsys: pytest.CaptureFixture[str]) -> None:
    """One line; who was quiet until the grace period was over is named."""
    ticking.snapshot = changed(
        one(1, State.RETIRED), one(2, State.QUIET, comm="cron"), one(3, State.QUIET, unit="ssh.service")
    )
    assert wait(ticking) == 0
    out = capsys.readouterr().out
    assert out == f"decided: 2 quiet: cron (pid 2), ssh.service; 1 followed; /etc/resolv.conf removed {OLD} 4m ago\n"


def test_somebody_is_stale(ticking: Ticking, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 1, and what to restart comes first, each unit once."""
    unit = "sendmail.service"
    both = one(1, State.STALE, unit=unit), one(2, State.STALE, unit=unit)
    ticking.snapshot = changed(*both, one(3, State.RETIRED))
    assert wait(ticking) == 1
    assert capsys.readouterr().out.startswith("decided: 2 stale: sendmail.service; 1 followed; ")


@pytest.mark.parametrize(
    "undecided",
    [
        one(1, State.GRACE),
        one(1, State.QUIET, until=NOW + 3600 * SECOND),
        # What it sent since then may not be counted yet.
        one(1, State.QUIET, until=NOW - SECOND // 10),
    ],
    ids=["grace", "quiet", "quiet until just now"],
)
def test_it_gives_up_when_the_time_is_over(
    ticking: Ticking, capsys: pytest.CaptureFixture[str], undecided: ProcessSnapshot
) -> None:
    """Status 4, and who is undecided."""
    ticking.snapshot = changed(undecided, one(3, State.STALE))
    assert wait(ticking, "--timeout", "0s") == 4
    assert capsys.readouterr().out.startswith("not decided within 0s: 1 undecided: getip (pid 1); ")


def test_a_quiet_process_is_decided_when_its_grace_is_over(ticking: Ticking) -> None:
    """By the daemon's clock."""
    ticking.snapshot = changed(one(1, State.QUIET, until=NOW + 5 * SECOND))
    assert wait(ticking) == 0
    assert ticking.snapshot.time > NOW + 5 * SECOND


def test_a_change_that_the_daemon_has_not_seen_yet_is_waited_for(ticking: Ticking) -> None:
    """`cp new /etc/resolv.conf && resolvtrace wait`: what it says at first is of before."""
    ticking.snapshot = snapshot(process(1))

    def see(_: object = None) -> Snapshot:
        if ticking.asked == 1:
            ticking.snapshot = changed(one(1, State.STALE))
        return Ticking.ask(ticking)

    with running(lambda: FeedServer.start(see, ticking.path + "2")):
        assert main(["wait", "--socket", ticking.path + "2"]) == 1


def test_without_any_change(ticking: Ticking, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to wait for."""
    plain = snapshot(process(1))
    ticking.snapshot = replace(plain, views=(replace(plain.views[0], generation=1),))
    assert wait(ticking) == 0
    assert capsys.readouterr().out.startswith("nothing to wait for: no resolv.conf changed since ")


def test_nobody_queried_what_was_removed(ticking: Ticking, capsys: pytest.CaptureFixture[str]) -> None:
    """And whoever has his own nameserver is no matter."""
    ticking.snapshot = changed(process(1), process(2, State.UNLISTED, nameservers=(use(State.UNLISTED, "9.9.9.9"),)))
    assert wait(ticking) == 0
    assert capsys.readouterr().out.startswith("decided: nobody queried what was removed; ")


def test_an_undecided_process_that_exits_is_decided(ticking: Ticking, capsys: pytest.CaptureFixture[str]) -> None:
    """And counted."""
    ticking.snapshot = changed(one(1, State.GRACE), one(2, State.GRACE))

    def exit_later(_: object = None) -> Snapshot:
        if ticking.asked == 3:
            ticking.snapshot = replace(ticking.snapshot, processes=(one(2, State.CURRENT, nameservers=()),))
        return Ticking.ask(ticking)

    with running(lambda: FeedServer.start(exit_later, ticking.path + "2")):
        assert main(["wait", "--socket", ticking.path + "2"]) == 0
    assert capsys.readouterr().out.startswith("decided: 1 exited; ")


def test_a_worker_is_its_owners_matter(ticking: Ticking, capsys: pytest.CaptureFixture[str]) -> None:
    """As in check."""
    ticking.snapshot = changed(one(1, State.STALE), one(2, State.STALE, owner=1, worker=True))
    assert wait(ticking) == 1
    assert capsys.readouterr().out.startswith("decided: 1 stale: ")


def test_the_copy_of_a_container_is_named(ticking: Ticking, capsys: pytest.CaptureFixture[str]) -> None:
    """It still uses what the host's file dropped, and nobody will query it again."""
    ticking.snapshot = changed(process(1, State.OUTDATED, container="4f5e2d8c9b1a7063", view="1:2:3"))
    assert wait(ticking) == 0
    assert "1 outdated: container 4f5e2d8c9b1a" in capsys.readouterr().out


def test_json(ticking: Ticking, capsys: pytest.CaptureFixture[str]) -> None:
    """The same, with the advice."""
    ticking.snapshot = changed(one(1, State.STALE, comm=HOSTILE), one(2, State.RETIRED), one(3, State.QUIET))
    assert wait(ticking, "--json") == 1
    shown = json.loads(capsys.readouterr().out)
    assert (shown["schema"], shown["decided"], shown["followed"], shown["exited"]) == (
        "resolvtrace/1",
        True,
        [2],
        [],
    )
    assert [change["removed"] for change in shown["changes"]] == [[OLD]]
    assert [(user["pid"], user["nameserver"]) for user in shown["stale"]] == [(1, OLD)]
    assert shown["stale"][0]["advice"].startswith("Restart it")
    assert [user["pid"] for user in shown["quiet"]] == [3]


def test_progress_tells_what_is_left_of_the_grace() -> None:
    """Decided, undecided, seconds."""
    status = change_status(changed(one(1, State.QUIET, until=NOW + 7 * SECOND), one(2, State.STALE)))
    assert progress(status) == "1 decided, 1 undecided; 7 s of the grace period left"


def test_a_name_acts_on_no_terminal(ticking: Ticking, capsys: pytest.CaptureFixture[str]) -> None:
    """It is shown escaped."""
    ticking.snapshot = changed(one(1, State.STALE, comm=HOSTILE))
    assert wait(ticking) == 1
    assert capsys.readouterr().out.count("\n") == 1


def test_files_that_change_together_are_one_change() -> None:
    """A chroot's copy is written after the host's; one of an hour ago is another matter."""
    host = replace(changed().views[0], removed=(OLD,))
    copy = replace(host, id="1:2:3", changed_at=CHANGE + SECOND)
    old = replace(host, id="4:5:6", changed_at=CHANGE - 3600 * SECOND)
    quiet = [one(1, State.QUIET), one(2, State.QUIET, view="1:2:3"), one(3, State.QUIET, view="4:5:6")]
    status = change_status(replace(snapshot(*quiet), views=(host, copy, old)))
    assert [user.pid for user in status.quiet] == [1, 2]
    assert [change.view for change in status.changes] == ["1:2:3", "host"]


def test_without_a_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 3 at once."""
    assert main(["wait", "--socket", str(tmp_path / "none")]) == 3
    assert "no daemon is running" in capsys.readouterr().err


@contextmanager
def gone_soon(path: str) -> Iterator[Ticking]:
    """Serve somebody undecided, and stop as soon as that was shown."""
    own = Ticking(path)
    own.snapshot = changed(one(1, State.GRACE))
    with running(lambda: FeedServer.start(own.ask, own.path)):
        yield own
        while own.asked < 2:
            time.sleep(0.01)


def test_a_daemon_that_goes_away(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 3, as without one, and what became of it."""
    monkeypatch.setattr(command, "_RESTART_SECONDS", 0.2)
    monkeypatch.setattr(command, "_EVERY_SECONDS", 0.05)
    path = str(tmp_path_factory.mktemp("w") / "s")
    statuses: list[int] = []
    waiting = threading.Thread(target=lambda: statuses.append(main(["wait", "--socket", path])))
    with gone_soon(path):
        waiting.start()
    waiting.join(10)
    assert statuses == [3]
    assert "the daemon went away during the wait (" in capsys.readouterr().err


def test_a_daemon_that_is_restarted_is_waited_for(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new one knows what the old one did."""
    monkeypatch.setattr(command, "_EVERY_SECONDS", 0.05)
    path = str(tmp_path_factory.mktemp("w") / "s")
    statuses: list[int] = []
    waiting = threading.Thread(target=lambda: statuses.append(main(["wait", "--socket", path])))
    with gone_soon(path):
        waiting.start()
    again = Ticking(path)
    again.snapshot = replace(changed(one(1, State.STALE)), time=NOW + 60 * SECOND)
    with running(lambda: FeedServer.start(again.ask, again.path)):
        waiting.join(10)
    assert statuses == [1]
    assert f"removed {OLD}" in capsys.readouterr().out
