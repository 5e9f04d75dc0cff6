"""`resolvtrace forecast`: who would stay with a nameserver if resolv.conf dropped it now."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from exporter.cli import main
from tests.support.samples import HOSTILE, NEW, OLD, Served, process, snapshot, use
from tracer.lookups import LookupPath
from tracer.report.snapshot import ProcessSnapshot, ViewSnapshot
from tracer.verdict.following import Follows
from tracer.verdict.states import State

NEVER_LOOKS = "sent 134 queries over 95 s without checking or re-reading the file"
SQUID = process(10, comm="squid", unit="squid.service", follows=Follows.NO, follows_reason=NEVER_LOOKS)
CRON = process(11, comm="cron", follows=Follows.UNKNOWN, follows_reason="sent 2 queries over 3 s: too few to tell")
SSHD = process(12, comm="sshd", unit="ssh.service")
CONTAINER = ViewSnapshot("1:2:3", 1, "/etc/resolv.conf", 1, (NEW,), (), False, 0, ())


def forecast(daemon: Served, *words: str) -> int:
    """Run it; give its exit status."""
    return main(["forecast", *words, "--socket", daemon.path])


@pytest.mark.parametrize(
    ("processes", "status", "says"),
    [
        ([SQUID, CRON, SSHD], 1, "1 process would stay with it, 1 would follow, 1 not known."),
        ([CRON, SSHD], 4, "nobody would stay with it, 1 would follow, 1 not known."),
        ([SSHD], 0, "nobody would stay with it, 1 would follow, 0 not known."),
        ([replace(SSHD, nameservers=(use(State.UNLISTED, "9.9.9.9"),))], 0, f"No tracked process queries {NEW}."),
        ([], 4, "No process is tracked yet, so nothing can be forecast."),
    ],
)
def test_the_status_is_the_answer(
    daemon: Served,
    capsys: pytest.CaptureFixture[str],
    processes: list[ProcessSnapshot],
    status: int,
    says: str,
) -> None:
    """0: nobody known would stay; 1: somebody would; 4: it is not known of all."""
    daemon.snapshot = snapshot(*processes)
    assert forecast(daemon, NEW) == status
    assert says in " ".join(capsys.readouterr().out.split())


def test_who_would_stay_is_shown_with_the_evidence(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """And what to do; who would follow is shown with --all alone."""
    daemon.snapshot = snapshot(SQUID, CRON, SSHD)
    forecast(daemon)
    out = capsys.readouterr().out
    assert f"squid, pid 10, squid.service:\n  Seen: {NEVER_LOOKS}\n  Do:   after the change, restart it: " in out
    assert "cron, pid 11:\n  Seen: sent 2 queries over 3 s: too few to tell\n" in out
    assert "sshd" not in out
    forecast(daemon, "--all")
    assert "sshd" in capsys.readouterr().out


def test_it_fits_a_terminal(
    daemon: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under 80 columns, whatever a process calls itself."""
    monkeypatch.setenv("COLUMNS", "80")
    wide = use(State.CURRENT, "2001:db8:1234:5678:9abc:def0:1234:5678")
    daemon.snapshot = snapshot(replace(SQUID, comm=HOSTILE, unit="a" * 90 + ".service", nameservers=(wide,)))
    forecast(daemon, wide.address)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) < 80
    assert "\x1b" not in out


def test_an_address_alone_is_forecast(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """In canonical form; of others nothing is said."""
    daemon.snapshot = snapshot(SQUID, replace(CRON, nameservers=(use(State.CURRENT, "fe80::1%eth0"),)))
    assert forecast(daemon, f"::ffff:{NEW}") == 1
    assert "cron" not in capsys.readouterr().out
    assert forecast(daemon, "fe80::1%eth0") == 4


def test_what_no_file_lists_is_said_to_be_so(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever queries it all the same stays: by its own configuration, or since it is stale."""
    pinned = replace(SSHD, nameservers=(use(State.UNLISTED, "9.9.9.9"),))
    daemon.snapshot = snapshot(pinned, process(13, State.STALE))
    assert forecast(daemon, "9.9.9.9") == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "9.9.9.9 is not listed in any resolv.conf. Who still uses it: resolvtrace who 9.9.9.9" in out
    assert "its own configuration names it" in out
    assert forecast(daemon, OLD) == 1
    assert "is stale" in capsys.readouterr().out


def test_a_copy_stays_whatever_its_readers_do(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """A container's or a chroot's file is not changed with the host's."""
    value = snapshot(replace(SSHD, view=CONTAINER.id))
    daemon.snapshot = replace(value, views=(*value.views, CONTAINER))
    assert forecast(daemon, NEW) == 1
    assert "goes by its own /etc/resolv.conf, which lists it too" in " ".join(capsys.readouterr().out.split())
    daemon.snapshot = replace(value, views=(*value.views, replace(CONTAINER, same_as_host=True)))
    assert forecast(daemon, NEW) == 0, "the host's own file, mounted over itself, is no copy"
    daemon.snapshot = replace(value, views=(replace(value.views[0], nameservers=(OLD,)), CONTAINER))
    assert forecast(daemon, NEW) == 0, "the host's does not list it: it is the container's that would be changed"


def test_workers_and_rules_are_left_out(daemon: Served) -> None:
    """An owner answers for its workers; what is ignored, or expected whatever the file says, is no surprise."""
    worker = replace(SQUID, pid=20, owner=12, worker=True)
    expected = replace(SQUID, pid=21, nameservers=(use(State.CURRENT, NEW, rules=("lab",)),))
    ignored = replace(SQUID, pid=22, nameservers=(use(State.CURRENT, NEW, ignored=True),))
    daemon.snapshot = snapshot(SSHD, worker, expected, ignored)
    assert forecast(daemon, NEW) == 0


def test_clients_of_a_service_are_its_affair(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """What has to be restarted is nscd; its clients are shown with --all."""
    client = process(30, nameservers=(), lookup_path=LookupPath.NSCD, follows=Follows.NO, follows_reason="through nscd")
    daemon.snapshot = snapshot(client, SSHD)
    assert forecast(daemon) == 0
    forecast(daemon, "--all")
    assert "nscd" in capsys.readouterr().out


def test_services_are_printed_for_scripts(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Each once; those alone that would stay."""
    daemon.snapshot = snapshot(SQUID, replace(SQUID, pid=14), CRON, SSHD)
    assert forecast(daemon, "--services") == 1
    assert capsys.readouterr().out == "squid.service\n"
    assert forecast(daemon, "--print", "systemctl restart %s") == 1
    assert capsys.readouterr().out == "systemctl restart squid.service\n"


def test_json_has_everybody(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """With what each would do, and why."""
    daemon.snapshot = snapshot(SSHD, CRON, SQUID)
    assert forecast(daemon, "--json") == 1
    shown = json.loads(capsys.readouterr().out)
    assert (shown["schema"], shown["nameservers"], shown["tracked"]) == (
        "resolvtrace/1",
        [NEW, "fe80::1%eth0"],
        3,
    )
    assert [(one["pid"], one["would"]) for one in shown["processes"]] == [
        (10, "stay"),
        (11, "unknown"),
        (12, "follow"),
    ]
    assert shown["processes"][0]["reason"] == NEVER_LOOKS
    assert shown["processes"][0]["nameservers"] == [NEW]
    assert shown["processes"][2]["advice"] is None


def test_what_is_no_address_is_refused(daemon: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """With the usage, and status 2."""
    with pytest.raises(SystemExit) as ended:
        forecast(daemon, "ns1.example")
    assert ended.value.code == 2
    assert "'ns1.example' is not an IPv4 or IPv6 address" in capsys.readouterr().err


def test_no_daemon(capsys: pytest.CaptureFixture[str]) -> None:
    """Status 3, and what to do."""
    assert main(["forecast", "--socket", "/nonexistent/socket"]) == 3
    assert "start it" in capsys.readouterr().err
