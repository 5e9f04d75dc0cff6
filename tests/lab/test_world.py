"""The lab's world: what is in it, and that nothing of it stays behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.demo.lab import NEW, OLD, OLD_ANSWER, LabError, World, experiment, wait_until
from tests.support.building import build

SACRIFICE = """
import signal, sys
from exporter.demo.lab import experiment
with experiment() as lab:
    lab.world.start_nscd()
    jobs = lab.world.start([sys.argv[1], "hat.com", "10", "daemon"])
    daemon = jobs.wait_for_line("parent").split()[1]
    jobs.wait_for_line("job")
    print(lab.world.pid, lab.old.pid, lab.new.pid, daemon, flush=True)
    signal.pause()
"""


def runs(pid: int) -> bool:
    """Say whether a process runs: it is there, and more than a zombie that its parent has not waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def in_namespace(namespace: str) -> list[str]:
    """Name the processes in a network namespace."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str((process / "ns/net").readlink()) == namespace:
                found.append(process.name)
        except OSError:
            continue
    return found


def test_etc_is_the_worlds_own() -> None:
    """What the world's resolv.conf says, and what becomes of it, does not touch the host's."""
    host = Path("/etc/resolv.conf")
    before = host.stat().st_ino, host.stat().st_mtime_ns, host.read_bytes()
    with World([OLD], f"nameserver {OLD}\n") as world:
        inside = world.path("/etc/resolv.conf")
        assert world.run(["cat", "/etc/resolv.conf"]) == inside.read_text() == f"nameserver {OLD}\n"
        assert inside.stat().st_dev != host.stat().st_dev
        assert world.path("/etc").stat().st_dev != host.parent.stat().st_dev
        world.delete_resolv_conf()
        assert not inside.exists()
    assert (host.stat().st_ino, host.stat().st_mtime_ns, host.read_bytes()) == before


def test_nothing_of_the_host_answers_lookups() -> None:
    """No lookup service of the host is in reach, and no network but the addresses that were requested."""
    with World([OLD, "fd00::53"], "") as world:
        assert [path.name for path in world.path("/run").iterdir()] == ["nscd"]
        assert not list(world.path("/run/nscd").iterdir())
        addresses = [line.split()[3] for line in world.run(["ip", "-o", "address"]).splitlines()]
        assert sorted(addresses) == ["127.0.0.1/8", f"{OLD}/32", "::1/128", "fd00::53/128"]


def test_a_program_has_the_pid_that_start_gives() -> None:
    """Since nsenter and setpriv exec, the pid that the lab knows is that of the program."""
    with World([], "") as world:
        program = world.start(["sh", "-c", "echo $$; cat"])
        assert program.wait_for_line("") == str(program.pid)
        program.write_line("hello")
        assert program.wait_for_line("hello")


def test_the_callers_resolver_options_stay_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """RES_OPTIONS in the caller's environment changes nothing inside; given to start(), it arrives."""
    monkeypatch.setenv("RES_OPTIONS", "no-reload")
    with World([], "") as world:
        assert "RES_OPTIONS" not in world.run(["env"])
        assert "RES_OPTIONS=debug" in world.run(["env"], {"RES_OPTIONS": "debug"})


def test_a_paused_nameserver_is_silent_and_then_answers() -> None:
    """A paused server refuses nothing: queries sent meanwhile are there when it goes on."""
    query = b"\x12\x34\1\0\0\1\0\0\0\0\0\0\3hat\3com\0\0\1\0\1"
    ask = f"""
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.sendto({query!r}, ("{OLD}", 53))
    print("asked", flush=True)
    print(socket.inet_ntoa(client.recv(512)[-4:]), flush=True)
"""
    with experiment() as lab:
        lab.old.pause()
        client = lab.world.start([sys.executable, "-I", "-c", ask])
        client.wait_for_line("asked")
        assert not lab.old.queries()
        lab.old.resume()
        assert client.wait_for_line("192.") == OLD_ANSWER
        assert lab.old.queries() == [("A", "hat.com", OLD)]


def test_what_cannot_start_says_why() -> None:
    """The failing program's own words are in the error."""
    with World([OLD], "") as world:
        with pytest.raises(LabError, match=f"failed to create listening socket for {NEW}"):
            world.nameserver(NEW, {})
        with pytest.raises(LabError, match="no-such-program"):
            world.run(["no-such-program"])
    with pytest.raises(LabError, match="not-an-address"), World(["not-an-address"], ""):
        pass


def test_leaving_kills_what_forked_away() -> None:
    """A daemon that left its session and its parent still goes with the world."""
    with World([OLD], "") as world:
        namespace = str(Path(f"/proc/{world.pid}/ns/net").readlink())
        starter = world.start(["setsid", "-f", "sleep", "1000"])
        starter.wait()
        wait_until(lambda: len(in_namespace(namespace)) > 1, 5, "the daemon to be there")
    assert not in_namespace(namespace)


def test_nscd_answers_on_its_socket() -> None:
    """start_nscd returns when clients can connect, and the socket is the world's."""
    with World([OLD], f"nameserver {OLD}\n") as world:
        nscd = world.start_nscd()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(world.path("/run/nscd/socket")))
        assert runs(nscd.pid)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_a_killed_parent(number: signal.Signals) -> None:
    """Holder, nameservers, nscd and a daemon that forked away: all exit with the process that made the world."""
    argv = [sys.executable, "-c", SACRIFICE, str(build("fork_jobs", "-lresolv"))]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 4
        namespace = str(Path(f"/proc/{pids[0]}/ns/net").readlink())
        parent.send_signal(number)
        parent.wait(5)
    wait_until(lambda: not in_namespace(namespace), 5, "the world to be empty")
    wait_until(lambda: not any(map(runs, pids)), 5, "its processes to be gone")
