"""The words that scenarios are written in: a world, its processes, its resolv.conf, its daemon."""

from __future__ import annotations

import itertools
import os
import signal
import string
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from exporter.demo.lab import wait_until
from tests.scenarios.files import options, write
from tests.scenarios.remote import Remote
from tests.support.tracing import Daemon

__all__ = ["Process", "Stage", "World", "address"]

ADDRESSES = {letter: f"127.53.0.{number}" for number, letter in enumerate(string.ascii_uppercase[:12], 1)}
"""The loopback interface has all of 127.0.0.0/8."""
RESOLV_CONF = "/etc/resolv.conf"
READS = ("open", "openat", "openat2", "dirfd", "relative", "root", "thread")
QUERY_WAYS = ("connect", "sendto", "sendmsg", "sendmmsg", "write", "mapped", "kept", "thread", "tcp")
SECONDS = 20.0
MARGIN = 0.2
"""Seconds that a moment of the kernel's coarse clock may be away from ours, and more."""
Row = dict[str, Any]


def address(letter: str) -> str:
    """Give a nameserver's address."""
    return ADDRESSES[letter]


def seconds(moment: str) -> float:
    """Give a time of `check --json` as seconds since the Unix epoch."""
    return datetime.fromisoformat(moment).timestamp()


class Stage:
    """A network namespace with a loopback interface, where something takes what is sent to port 53.

    Worlds are made in it.
    """

    def __init__(self) -> None:
        self.root = Remote.begin()
        self.root.do("unshare net", "unshare mount", "serve")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.root.close()


class World:
    """An /etc of its own, with a resolv.conf that lists A, and whoever is started in it."""

    def __init__(self, stage: Stage, daemon: Daemon, listed: str = "A") -> None:
        self.daemon = daemon
        self.story: list[str] = []
        self._began = time.monotonic()
        self._holder = stage.root.create("spawn")
        self._holder.do("unshare mount", "tmpfs /etc", "tmpfs /mnt")
        self._processes: list[Process] = []
        self._unsettled = True
        self._grace_ends = 0.0
        self._graces: dict[Path, float] = {}
        self._files = itertools.count()
        self.root = Path(f"/proc/{self._holder.pid}/root")
        self.write(listed, "in-place")

    # What happens to resolv.conf

    def write(self, letters: str, how: str = "rename", root: Path | None = None) -> Path:
        """Make a resolv.conf list these; gives the /etc that it is in. Nobody waits until that is noticed."""
        self.tell(f"write {letters!r} {how}")
        etc = (root or self.root) / "etc"
        write(etc, [address(letter) for letter in letters], how)
        self._graces[etc] = 2.0 * len(letters)
        return etc

    def change(self, letters: str, how: str = "rename", jail: str = "") -> Self:
        """Change resolv.conf, and wait until the daemon has noticed."""
        root = self.root / jail.strip("/")
        before = self._graces.get(root / "etc", 2.0)
        etc = self.write(letters, how, root)
        wanted = [address(letter) for letter in letters[:3]]
        wait_until(lambda: self.view(etc)["nameservers"] == wanted, SECONDS, f"{letters} to be noticed")
        self._grace_ends = max(self._grace_ends, time.time() + max(before, 2.0) + MARGIN)
        return self

    def jail(self, name: str, letters: str) -> str:
        """Make a directory to chroot to, with a resolv.conf of its own; gives its path."""
        path = f"/mnt/{name}"
        (self.root / path.strip("/") / "etc").mkdir(parents=True)
        self.write(letters, "in-place", self.root / path.strip("/"))
        return path

    def past_the_grace(self) -> Self:
        """Wait until the grace of each change so far is over."""
        self.tell("past the grace")
        end = self._grace_ends
        wait_until(lambda: seconds(self.daemon.check()["time"]) > end, SECONDS, "the end of the grace")
        return self

    def own_grace(self) -> Self:
        """Wait until what is sent from now on is past the grace that a read right now opens."""
        return self._later(2.0 + MARGIN, "past the grace of its own read")

    def _later(self, period: float, what: str) -> Self:
        self.tell(what)
        end = time.time() + period
        wait_until(lambda: seconds(self.daemon.check()["time"]) > end, period + SECONDS, what)
        return self

    # What the daemon does

    def settle(self) -> Self:
        """Wait until all that happened is counted; it may be already."""
        if self._unsettled:
            self.tell("settle")
            self.daemon.settle()
            self._unsettled = False
        return self

    def tick(self) -> Self:
        """Wait for a tick to end: what follows at once happens within the next one."""
        self.tell("tick")
        self.daemon.settle()
        return self

    @contextmanager
    def within_a_tick(self) -> Iterator[None]:
        """Let the daemon see nothing until the block is over, and then all of it in one tick."""
        with self.daemon.held():
            self.tell("daemon held")
            yield
        self.tell("daemon goes on")

    def restart(self, number: signal.Signals = signal.SIGTERM) -> Self:
        """End the daemon and start it again."""
        self.stop(number)
        self.start_daemon()
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> Self:
        """End the daemon."""
        self.tell(f"{number.name} for the daemon")
        if number == signal.SIGKILL:
            self.daemon.kill()
        else:
            assert self.daemon.stop() == 0
        return self

    def start_daemon(self) -> Self:
        """Start the daemon."""
        self.daemon.start()
        self.tell("the daemon is ready")
        return self

    # Who is there

    def start(self, name: str) -> Process:
        """Start a process; it has read nothing."""
        return self.register(Process(self, name, self._holder.create("spawn")))

    def register(self, process: Process) -> Process:
        """Remember a process, to stop it with the world."""
        self.tell(f"{process.name} starts, pid {process.pid}")
        self._processes.append(process)
        return process

    # What is expected

    def view(self, etc: Path) -> Row:
        """Give what the daemon says of the view of an /etc; nothing is listed if it says nothing."""
        status = os.stat(etc)
        end = f":{status.st_dev}:{status.st_ino}"
        found = [dict(view) for view in self.daemon.check()["views"] if view["id"].endswith(end)]
        return found[-1] if found else {"id": None, "generation": 0, "nameservers": []}

    def expect(
        self,
        process: Process,
        *,
        state: str | tuple[str, ...] | None = None,
        owner: Process | None = None,
        queries: Mapping[str, tuple[int, int]] | None = None,
        last_read: int | None = None,
    ) -> Row:
        """Settle, and compare a process's row with what is expected of it; gives the row."""
        self.settle()
        row = self.row(process)
        assert row is not None, f"{process.name} is not in the list\n{self.transcript()}"
        seen: dict[str, Any] = {}
        wanted: dict[str, Any] = {}
        if state is not None:
            allowed = (state,) if isinstance(state, str) else state
            wanted["state"], seen["state"] = allowed, (row["state"],) if row["state"] not in allowed else allowed
        if owner is not None:
            wanted["owner"], seen["owner"] = owner.pid, row["owner"]
        if last_read is not None:
            wanted["last_read"], seen["last_read"] = last_read, (row["last_read"] or {}).get("generation")
        for letter, counts in (queries or {}).items():
            wanted[letter], seen[letter] = counts, queries_of(row, letter)
        assert seen == wanted, f"{process.name}: {row}\n{self.transcript()}"
        return row

    def named_view(self, name: str) -> Row:
        """Give a view by its name."""
        return next(dict(view) for view in self.daemon.check()["views"] if view["id"] == name)

    def row(self, process: Process) -> Row | None:
        """Give a process's row."""
        return self.daemon.row(process.pid)

    def expect_flags(self, number: int) -> None:
        """Settle, and compare the number of flags that processes of this world have, workers left out."""
        self.settle()
        pids = {process.pid for process in self._processes if process.lives}
        rows = [row for row in self.daemon.check()["processes"] if row["pid"] in pids]
        flagged = [row["pid"] for row in rows if row["state"] == "stale" and not row["worker"]]
        assert len(flagged) == number, f"{flagged}\n{self.transcript()}"

    def tell(self, line: str) -> None:
        """Add a line to the story: something happened."""
        self._unsettled = True
        self.story.append(f"{time.monotonic() - self._began:7.3f} {line}")

    def transcript(self) -> str:
        """Give the story so far."""
        return "\n".join(self.story)

    def empty(self) -> None:
        """End every process. The namespaces stay: the kernel would give their numbers to the next world."""
        for process in self._processes:
            process.remote.close()

    def close(self) -> None:
        """End the world."""
        self.empty()
        self._holder.close()


def queries_of(row: Row, letter: str) -> tuple[int, int]:
    """Give the queries to a nameserver in a row: its own, and its workers'."""
    uses = [use for use in row["nameservers"] if use["address"] == address(letter)]
    return sum(use["queries"] for use in uses), sum(use["worker_queries"] for use in uses)


class Process:
    """A process of a world. Each word does one thing, and returns when that is done."""

    def __init__(self, world: World, name: str, remote: Remote) -> None:
        self.world = world
        self.name = name
        self.remote = remote
        self.lives = True

    @property
    def pid(self) -> int:
        """Its pid, as the host sees it."""
        return self.remote.pid

    def query(self, letter: str, count: int = 1, how: str = "sendto") -> Self:
        """Send queries to a nameserver, in one of the ways of QUERY_WAYS."""
        if how == "tcp":
            return self._do(f"tcp {address(letter)} {count}")
        if how == "thread":
            return self._do(f"thread udp sendto {address(letter)} {count}")
        return self._do(f"udp {how} {address(letter)} {count}")

    def read(self, how: str = "openat", path: str = RESOLV_CONF) -> Self:
        """Open resolv.conf and read it, in one of the ways of READS."""
        if how == "root":
            return self._do(f"open openat /proc/self/root{path}")
        if how == "thread":
            return self._do(f"thread open openat {path}")
        return self._do(f"open {how} {path}")

    def stat(self) -> Self:
        """Look whether resolv.conf has changed."""
        return self._do(f"stat {RESOLV_CONF}")

    def fork(self, name: str) -> Process:
        """Fork a child."""
        return self._create("fork", name)

    def fork_twice(self, name: str) -> Process:
        """Fork a child that forks and exits; gives the grandchild."""
        return self._create("fork-twice", name)

    def spawn(self, name: str) -> Process:
        """Fork a child that calls exec."""
        return self._create("spawn", name)

    def exec(self) -> Self:
        """Call exec."""
        self.world.tell(f"{self.name} execs")
        self.remote.execute()
        return self

    def exit(self) -> None:
        """Exit, and be gone."""
        self.world.tell(f"{self.name} exits")
        self.lives = False
        self.remote.end()

    def kill(self) -> None:
        """Be killed, and be gone."""
        self.world.tell(f"{self.name} is killed")
        self.lives = False
        self.remote.end(signal.SIGKILL)

    def leave_main_thread(self) -> Self:
        """Let the main thread exit; another one goes on."""
        return self._do("leave")

    def chroot(self, jail: str) -> Self:
        """Call chroot."""
        return self._do(f"chroot {jail}")

    def unshare_mounts(self) -> Self:
        """Take a mount namespace of its own, with the same files."""
        return self._do("unshare mount")

    @property
    def numbers_of_etc(self) -> tuple[int, int, int]:
        """What the kernel calls its mount namespace and its /etc."""
        mounts = os.stat(f"/proc/{self.pid}/ns/mnt")
        etc = os.stat(f"/proc/{self.pid}/root/etc")
        return mounts.st_ino, etc.st_dev, etc.st_ino

    def unshare_network(self) -> Self:
        """Take a network namespace of its own, where the same addresses are of its own loopback interface."""
        return self._do("unshare net")

    def mount_etc(self, letters: str) -> Self:
        """Mount a file system over its /etc, with a resolv.conf that lists these."""
        self._do("tmpfs /etc")
        self.world.write(letters, "in-place", Path(f"/proc/{self.pid}/root"))
        return self

    def bind_resolv_conf(self, letters: str) -> Self:
        """Bind a file that lists these over its resolv.conf."""
        name = f"resolv.conf.of.{self.name}"
        (self.world.root / "mnt" / name).write_text(options([address(letter) for letter in letters]))
        return self._do(f"bind /mnt/{name} {RESOLV_CONF}")

    def enter(self, other: Process) -> Self:
        """Enter another's mount namespace."""
        return self._do(f"setns /proc/{other.pid}/ns/mnt")

    def _do(self, act: str) -> Self:
        self.world.tell(f"{self.name}: {act}")
        self.remote.do(act)
        return self

    def _create(self, how: str, name: str) -> Process:
        self.world.tell(f"{self.name}: {how}")
        return self.world.register(Process(self.world, name, self.remote.create(how)))
