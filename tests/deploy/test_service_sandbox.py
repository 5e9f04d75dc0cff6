"""The unit under a real systemd, which is not PID 1 here: its sandbox, the watchdog, reload and stop.

That is a user's manager, run by root. Since systemd 257 such a manager puts each unit with a sandbox into a user
namespace of its own, in which nobody may load a probe: there `make test-vm` runs the unit under PID 1 instead.
"""

from __future__ import annotations

import json
import os
import signal
import site
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.demo.lab import wait_until
from exporter.feed.server import GROUP
from tracer.kernel.privileges import KEPT

WAIT = 60.0
MANAGER = Path("tests/deploy/service_manager.sh")
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C", "XDG_RUNTIME_DIR": "/run"}
UNIT = "resolvtrace.service"
NUMBERS = {"CAP_DAC_READ_SEARCH": 2, "CAP_SYS_PTRACE": 19}
NOBODY_ASKS = """
import os, socket, time
os.setgid(65534)
os.setuid(65534)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as query:
    while True:
        query.sendto(b"no query", ("127.0.0.61", 53))
        time.sleep(0.1)
"""


def systemd_version() -> int:
    """Return the version of systemd that is installed."""
    printed = subprocess.run(["systemd-analyze", "--version"], check=True, capture_output=True, text=True).stdout
    return int(printed.split()[1])


pytestmark = pytest.mark.skipif(
    systemd_version() >= 257, reason="a user's manager of this systemd makes a user namespace: see make test-vm"
)


class Manager:
    """A systemd in a mount namespace of its own, with the service in it as it is installed."""

    def __init__(self) -> None:
        alone = ["setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "--propagation", "private"]
        words = [*alone, str(MANAGER), site.getsitepackages()[0], GROUP]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program where it sees what the manager sees."""
        inside = ["nsenter", "--target", str(self._process.pid), "--mount", *words]
        return subprocess.run(inside, check=False, capture_output=True, text=True, env=ENVIRONMENT, timeout=WAIT)

    def systemctl(self, *words: str) -> None:
        """Tell the manager something."""
        done = self.run("systemctl", "--user", *words)
        assert done.returncode == 0, done.stderr + self.log()

    def show(self, name: str) -> str:
        """Return a property of the service."""
        return self.run("systemctl", "--user", "show", "--value", "--property", name, UNIT).stdout.strip()

    def check(self) -> dict[str, Any]:
        """Return what `resolvtrace check --json` of the installed program says."""
        return dict(json.loads(self.run("/run/installed/usr/bin/resolvtrace", "check", "--json").stdout))

    def process(self, pid: int) -> dict[str, Any] | None:
        """Return what it says of one process."""
        return next((one for one in self.check()["processes"] if one["pid"] == pid), None)

    def log(self) -> str:
        """Return what the daemon logged."""
        return self.path("/run/log").read_text()

    def path(self, path: str) -> Path:
        """Return how a path of the manager's is reached from here."""
        return Path(f"/proc/{self._process.pid}/root{path}")

    def end(self) -> None:
        """End it, and with it the service."""
        self._process.terminate()
        self._process.communicate(timeout=WAIT)


@pytest.fixture(scope="module")
def manager() -> Iterator[Manager]:
    """Give a systemd that has started the service: it has said that it is ready."""
    own = Manager()
    try:
        own.systemctl("start", UNIT)
        yield own
    finally:
        own.end()


def main_status(manager: Manager) -> dict[str, str]:
    """Return /proc/PID/status of the daemon."""
    lines = Path(f"/proc/{manager.show('MainPID')}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def test_every_probe_is_attached_inside_the_sandbox(manager: Manager) -> None:
    """And systemd shows how it fares."""
    probes = manager.check()["health"]["probes"]
    assert [name for name, attached in probes.items() if not attached] == []
    assert "tracked" in manager.show("StatusText")


def test_perf_events_are_as_restricted_as_before(manager: Manager) -> None:
    """The level is lower while the service starts, and only then: no higher than 2, where CAP_PERFMON is enough."""
    level, script = manager.path("/run/level"), "/run/installed/usr/lib/resolvtrace/perf-events"
    assert level.read_text() == "3\n"
    for word, wanted in (("begin", "2\n"), ("begin", "2\n"), ("end", "3\n"), ("end", "3\n")):
        assert manager.run(script, word).returncode == 0
        assert level.read_text() == wanted


def test_it_runs_as_a_user_of_its_own_with_what_is_left_of_its_capabilities(manager: Manager) -> None:
    """Those that loading took are gone, those for reading others' files are left; system calls are filtered."""
    status = main_status(manager)
    assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"64999"}
    assert int(status["CapEff"], 16) == sum(1 << NUMBERS[name] for name in KEPT)
    assert status["Seccomp"] == "2"


def test_its_socket_is_for_its_group(manager: Manager) -> None:
    """Without CAP_CHOWN, and without a word of it in the log."""
    found = manager.path("/run/resolvtrace/resolvtrace.sock").lstat()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o660, 64999)
    assert "warning" not in manager.log()


def test_it_sees_other_users_processes(manager: Manager) -> None:
    """It shows the query, through which view, and by which program."""
    with subprocess.Popen([sys.executable, "-c", NOBODY_ASKS]) as asking:
        try:
            seen = wait_until(lambda: manager.process(asking.pid), WAIT, "it to show")
        finally:
            asking.kill()
    assert (seen["uid"], seen["view"], seen["state"]) == (65534, "host", "unlisted")
    assert seen["exe"] == os.path.realpath(sys.executable)


def test_reload_reads_the_configuration_again(manager: Manager) -> None:
    """It ends when that is done."""
    before = manager.show("MainPID")
    manager.systemctl("reload", UNIT)
    wait_until(lambda: "configuration reloaded" in manager.log(), WAIT, "the log to say so")
    assert (manager.show("ActiveState"), manager.show("MainPID")) == ("active", before)


def test_a_daemon_that_hangs_is_restarted(manager: Manager) -> None:
    """By the watchdog: nothing else has noticed."""
    hung = int(manager.show("MainPID"))
    os.kill(hung, signal.SIGSTOP)
    wait_until(lambda: manager.show("NRestarts") == "1", WAIT, "the watchdog")
    wait_until(lambda: manager.show("ActiveState") == "active", WAIT, "another to be ready")
    assert int(manager.show("MainPID")) != hung
    assert manager.check()["health"]["probes"]


def test_stop_stops_it_cleanly(manager: Manager) -> None:
    """With status 0, the state saved and the socket gone."""
    manager.systemctl("stop", UNIT)
    assert (manager.show("Result"), manager.show("ExecMainStatus")) == ("success", "0")
    assert manager.path("/var/lib/resolvtrace/state.json").exists()
    assert not manager.path("/run/resolvtrace").exists()
