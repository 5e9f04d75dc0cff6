"""Trouble with the state directory: the daemon goes on, says so once, and what was saved before is still good."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter.demo.lab import NAME, OLD, Experiment, Program, experiment, wait_until
from tests.support.building import build
from tests.support.tracing import SHORT, Daemon, daemon

SECONDS = 30
SAVED_SECONDS = 120.0
"""A save takes a hundredth of the time at most: if the disk is slow the next one takes long to come."""
PAGES = 4
ROOM = "1m"
"""For the state of all that runs on a machine, beside what the test itself starts."""


@pytest.fixture
def lab() -> Iterator[Experiment]:
    """Give the report's experiment, with lookups that end soon without an answer."""
    with experiment() as made:
        made.world.write_resolv_conf(f"nameserver {OLD}\n{SHORT}")
        yield made


def frozen(lab: Experiment) -> Program:
    """Start a process that will not follow."""
    return lab.world.start([build("getaddrinfo_loop"), NAME, "100"], {"RES_OPTIONS": "no-reload"})


def behind(one: Daemon, script: str) -> None:
    """Let it be started in a mount namespace of its own, after a shell script."""
    alone = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", f'{script}; exec "$@"', "sh"]
    one._command = [*alone, *one._command]


def inside(one: Daemon, path: Path) -> Path:
    """Give a path as the daemon sees it."""
    return Path(f"/proc/{one.process.pid}/root") / str(path).lstrip("/")


TROUBLES = {
    "full": f"mount -t tmpfs -o size={4 * PAGES}k none {{}}; head -c {4096 * PAGES} /dev/zero >{{}}/filler || true",
    "read-only": "mount -t tmpfs none {}; mount -o remount,ro {}",
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_directory_that_takes_nothing(lab: Experiment, tmp_path: Path, trouble: str) -> None:
    """The flag goes up all the same; each try that failed is counted, and the log has one line of it, not more."""
    one = Daemon(tmp_path, grace=1.0)
    one.state_dir.mkdir()
    behind(one, TROUBLES[trouble].replace("{}", str(one.state_dir)))
    stale = frozen(lab)
    try:
        one.start()
        one.wait_for_state(stale.pid, "current", SECONDS)
        lab.change()
        one.wait_for_state(stale.pid, "stale", SECONDS)
        wait_until(lambda: one.lost()["state_not_saved"] >= 2, SECONDS, "two tries")
        assert one.log().count("state cannot be saved") == 1
        assert not (inside(one, one.state_dir) / "state.json").exists()
        assert not (inside(one, one.state_dir) / "state.new").exists()
    finally:
        assert one.stop() == 0
    assert "Traceback" not in one.log()


def test_room_that_comes_back(lab: Experiment, tmp_path: Path) -> None:
    """It is full for a while: what had been saved stays whole, and the next try saves what is true then."""
    one = Daemon(tmp_path, grace=1.0)
    one.state_dir.mkdir()
    behind(one, f"mount -t tmpfs -o size={ROOM} none {one.state_dir}")
    stale = frozen(lab)
    try:
        one.start()
        state = inside(one, one.state_dir)
        wait_until((state / "state.json").exists, SECONDS, "a state to be saved")
        before = (state / "state.json").read_bytes()
        filler = state / "filler"
        with filler.open("wb", buffering=0) as file:
            while room(state):
                file.write(bytes(1024))
        one.wait_for_state(stale.pid, "current", SECONDS)
        lab.change()
        one.wait_for_state(stale.pid, "stale", SECONDS)
        wait_until(lambda: one.lost()["state_not_saved"], SECONDS, "a try to fail")
        json.loads((state / "state.json").read_bytes())
        filler.unlink()
        wait_until(lambda: (state / "state.json").read_bytes() != before, SAVED_SECONDS, "the state to be saved again")
        saved = json.loads((state / "state.json").read_bytes())
        assert stale.pid in {process["id"][0] for process in saved["saved"]["processes"]}
    finally:
        assert one.stop() == 0


def test_a_second_daemon_is_refused(tmp_path: Path) -> None:
    """One line says what to do; the first goes on undisturbed, and its place is free once it has exited."""
    with daemon(tmp_path / "first") as first:
        second = Daemon(tmp_path)
        second._command[second._command.index("--state-dir") + 1] = str(first.state_dir)
        second.launch()
        assert second.process.wait(SECONDS) == 1
        assert second.log() == (
            f"resolvtrace daemon: another daemon uses the state directory {first.state_dir}: "
            "stop it, or name another with --state-dir\n"
        )
        first.settle()
        assert "level=error" not in first.log()
        first.kill()
        second.start()
        assert second.stop() == 0


def room(directory: Path) -> int:
    """Tell how many blocks are left."""
    return os.statvfs(directory).f_bavail


UNUSABLE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda _: b"",
    "later": lambda text: text.replace(b"resolvtrace-state/4", b"resolvtrace-state/9"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_state_that_cannot_be_used(tmp_path: Path, kind: str) -> None:
    """It is put aside, that is logged, and a new one is begun; the next start has nothing to say."""
    with daemon(tmp_path) as one:
        one.stop()
        file = one.state_dir / "state.json"
        spoilt = UNUSABLE[kind](file.read_bytes())
        file.write_bytes(spoilt)
        one.start()
        aside = one.state_dir / "state.unusable"
        assert aside.read_bytes() == spoilt
        assert one.log().count("state not used") == 1
        assert str(aside) in one.log()
        assert one.stop() == 0
        assert json.loads(file.read_bytes())["schema"] == "resolvtrace-state/4"
        one.start()
        assert "state not used" not in one.log()
