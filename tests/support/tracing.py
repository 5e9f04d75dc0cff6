"""A real daemon, with the real probes, for tests: started, queried, and stopped whatever happens."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from exporter.demo.lab import wait_until, waiting
from exporter.feed.client import NoDaemon, fetch_json

RESOLVTRACE = Path(sys.executable).with_name("resolvtrace")
_READY = re.compile(r"event=ready address=(\S+)")
SHORT = "options timeout:1 attempts:1\n"
"""For resolv.conf: with it one lookup takes four seconds at the most, and the grace is no longer than that."""
ANSWER_SECONDS = 30.0
"""More than the commands give it: tests share their machine with others."""

Check = dict[str, Any]


class Daemon:
    """A running `resolvtrace daemon`. Times are in seconds."""

    def __init__(
        self,
        directory: Path,
        *flags: str,
        grace: float = 1.0,
        min_queries: int = 2,
        clear: float = 300.0,
        host: int | None = None,
        capacity: Mapping[str, int] | None = None,
        within: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self.socket = str(directory / "socket")
        self.state_dir = directory / "state"
        self.log_file = directory / "log"
        config = directory / "resolvtrace.toml"
        verdict = f"[verdict]\ngrace_seconds = {grace}\nmin_queries = {min_queries}\nclear_seconds = {clear}\n"
        sizes = "".join(f"{name} = {size}\n" for name, size in (capacity or {}).items())
        config.write_text(f"{verdict}[capacity]\n{sizes}")
        self._command = [
            *within,
            *(behind_host(host) if host is not None else []),
            *(str(RESOLVTRACE), "daemon", "--config", str(config), "--socket", self.socket),
            *("--state-dir", str(self.state_dir), "--web.listen-address", "127.0.0.1:0", *flags),
        ]
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.launch()
        try:
            wait_until(lambda: self.address or self.process.poll() is not None, 60, "the daemon to be ready")
        except TimeoutError as error:
            error.add_note(self.log())
            raise
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended at once:\n{self.log()}")

    def launch(self) -> None:
        """Start it, and leave it to the test what becomes of it."""
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(self._command, stderr=log, stdin=subprocess.DEVNULL)

    @property
    def address(self) -> str | None:
        """Where it serves HTTP, once it is ready."""
        found = _READY.search(self.log())
        return found[1] if found else None

    def log(self) -> str:
        """Everything it logged."""
        return self.log_file.read_text(errors="replace")

    def check(self) -> Check:
        """Ask for the snapshot, as `check --json` does."""
        try:
            return fetch_json(self.socket, ANSWER_SECONDS * waiting.timeout_factor)
        except NoDaemon as error:
            raise AssertionError(f"{error}\n{self.log()}") from error

    def settle(self) -> None:
        """Wait until all sent so far is counted."""
        begun = datetime.now(UTC)
        wait_until(lambda: datetime.fromisoformat(self.check()["counted_until"]) > begun, 5, "all to be counted")

    def metrics(self) -> str:
        """Scrape /metrics."""
        with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=5 * waiting.timeout_factor) as answer:
            return str(answer.read().decode())

    def row(self, pid: int) -> dict[str, Any] | None:
        """Give one process of the snapshot; None if it is not tracked."""
        return next((process for process in self.check()["processes"] if process["pid"] == pid), None)

    def wait_for(self, pid: int, test: Callable[[dict[str, Any]], bool], timeout: float, what: str) -> dict[str, Any]:
        """Wait until a process's row passes a test; gives that row."""
        found: dict[str, Any] = {}

        def passes() -> bool:
            row = self.row(pid)
            found.clear()
            found.update(row or {})
            return bool(row) and test(found)

        try:
            wait_until(passes, timeout, what)
        except TimeoutError as error:
            raise AssertionError(f"{what}: not within {timeout} s; last seen {found}\n{self.log()}") from error
        return found

    def wait_for_state(self, pid: int, state: str, timeout: float) -> dict[str, Any]:
        """Wait until a process is in a state; gives its row."""
        return self.wait_for(pid, lambda row: bool(row["state"] == state), timeout, f"{pid} to be {state}")

    def wait_until_gone(self, pid: int, timeout: float) -> None:
        """Wait until a process is tracked no more."""
        wait_until(lambda: self.row(pid) is None, timeout, f"{pid} to be gone")

    def wait_for_generation(self, view: str, generation: int, timeout: float) -> dict[str, Any]:
        """Wait until a view has reached a generation; gives the view."""

        def reached() -> dict[str, Any] | None:
            views = {one["id"]: one for one in self.check()["views"]}
            found = views.get(view)
            return found if found and found["generation"] >= generation else None

        wait_until(lambda: reached() is not None, timeout, f"generation {generation} of {view}")
        return reached() or {}

    def lost(self) -> dict[str, int]:
        """Give what was lost, by reason."""
        return dict(self.check()["health"]["lost"])

    def unidentified(self) -> dict[str, int]:
        """Give what was counted of which something less is not known, by reason."""
        return dict(self.check()["health"]["unidentified"])

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing be consumed during a `with` block: the kernel side goes on, the daemon stands still."""
        self.settle()
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def saved(self) -> dict[str, Any]:
        """Give what it wrote into its state directory when it exited."""
        return dict(json.loads((self.state_dir / "state.json").read_text())["saved"])

    def stop(self) -> int:
        """End it as systemd would; gives its status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10 * waiting.timeout_factor)

    def kill(self) -> None:
        """End it without giving it a chance."""
        self.process.kill()
        self.process.wait()


def behind_host(pid: int) -> list[str]:
    """Give a command before a daemon's: it takes this process for PID 1, and so its resolv.conf for the host's."""
    seen = f'mount -n --bind /proc/{pid} /proc/1 && exec "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", seen, "sh"]


@contextmanager
def daemon(directory: Path, *flags: str, **thresholds: Any) -> Iterator[Daemon]:
    """Run a daemon for a `with` block; its state stays in the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    running = Daemon(directory, *flags, **thresholds)
    try:
        running.start()
        yield running
    finally:
        running.process.terminate()
        try:
            running.process.wait(10 * waiting.timeout_factor)
        except subprocess.TimeoutExpired:
            running.kill()


def addresses(row: dict[str, Any]) -> dict[str, str]:
    """Give the state of each nameserver of a row, by address."""
    return {use["address"]: use["state"] for use in row["nameservers"]}


def load(text: str) -> Check:
    """Read `check --json`."""
    return dict(json.loads(text))


def seconds_between(before: str, after: str) -> float:
    """Give the time between two moments of `check --json`."""
    return (datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds()
