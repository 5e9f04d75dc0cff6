"""Podman with a storage of the tests' own, in a mount namespace of its own: nothing of it is left on the machine."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from exporter.demo.lab import Program, wait_until

STORE = Path(__file__).parents[1] / ".build" / "containers"
"""Kept from run to run: the base of the image is made once a week."""
NAMESPACE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private", "--")
# systemd mounts it on a node; here it may be missing.
HOLD = "[ -d /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing; echo ready; cat"
# A machine may lack CAP_SYS_RESOURCE, which Podman's own limits ask for.
LIMITS = [f"--ulimit={name}=4096:4096" for name in ("nofile", "nproc")]


class Engine:
    """Podman, with runc: crun refuses machines that have cgroup v1 and v2 at once."""

    def __init__(self, pid: int) -> None:
        places = [f"--root={STORE / 'store'}", f"--runroot={STORE / 'run'}", f"--tmpdir={STORE / 'libpod'}"]
        self.podman = ["podman", *places, "--runtime=runc", "--cgroup-manager=cgroupfs", "--log-level=error"]
        self._inside = ["nsenter", f"--mount=/proc/{pid}/ns/mnt", "--wd=.", "--"]

    def command(self, *words: str) -> list[str]:
        """Give the command line that runs podman in the namespace."""
        return self.within(*self.podman, *words)

    def within(self, *words: str) -> list[str]:
        """Give the command line that runs a program in the namespace."""
        return [*self._inside, *words]

    def run(self, *words: str) -> str:
        """Run podman; gives what it printed."""
        done = subprocess.run(self.command(*words), check=False, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def build(self) -> str:
        """Build the image as `make image` does; gives what that printed."""
        words = self.within("env", f"PODMAN={shlex.join(self.podman)}", "deploy/image")
        done = subprocess.run(words, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def inspect(self, image: str) -> dict[str, Any]:
        """Tell about an image."""
        (found,) = json.loads(self.run("image", "inspect", image))
        return dict(found)


@contextmanager
def engine() -> Iterator[Engine]:
    """Give an engine; its mounts go with the block."""
    STORE.mkdir(parents=True, exist_ok=True)
    holder = Program([*NAMESPACE, "sh", "-c", HOLD], os.environ)
    try:
        holder.wait_for_line("ready", 20)
        yield Engine(holder.pid)
    finally:
        holder.kill()


class Container:
    """A container that runs in the foreground; ``pid`` is that of its first process, on the machine."""

    def __init__(self, engine: Engine, name: str, log: Path, options: Sequence[str], words: Sequence[str]) -> None:
        self.name, self.engine, self._log = name, engine, log
        self._command = engine.command("run", f"--name={name}", *LIMITS, *options, *words)

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self.engine.run("rm", "--force", self.name)

    def log(self) -> str:
        """Everything that it printed."""
        return self._log.read_text(errors="replace")

    def wait_for(self, word: str, seconds: float) -> None:
        """Wait until it has printed a word. Raises AssertionError if it exits first."""
        wait_until(lambda: word in self.log() or self._process.poll() is not None, seconds, f"{word} in {self._log}")
        assert word in self.log(), f"{self.name} ended with status {self._process.poll()}:\n{self.log()}"

    @property
    def pid(self) -> int:
        """The pid of its first process."""
        return int(self.engine.run("inspect", "--format={{.State.Pid}}", self.name))

    def execute(self, *words: str) -> str:
        """Run a command in it, whatever its status; gives what it printed."""
        done = subprocess.run(
            self.engine.command("exec", self.name, *words), check=False, capture_output=True, text=True, timeout=60
        )
        return done.stdout

    def end(self) -> int:
        """End it as Kubernetes does, with SIGTERM; gives its status."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)
