"""A /proc of files, for the readers that take its root as an argument (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path


class ProcTree:
    """Builds one below a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "proc"
        self.directory.mkdir()
        self.root = str(self.directory)
        self._namespaces = directory / "namespaces"
        self._namespaces.mkdir()

    def add(
        self,
        pid: int,
        *,
        comm: bytes = b"getip",
        state: str = "S",
        parent: int = 1,
        ticks: int = 100,
        auxv: bytes = b"",
        cmdline: bytes = b"",
        cgroup: str = "0::/\n",
        exe: str | None = None,
        uid: int = 0,
        root: Path | None = None,
        namespace: str = "first",
    ) -> Path:
        """Add a process; ``ticks`` is when it began, ``namespace`` its mount namespace."""
        process = self.directory / str(pid)
        process.mkdir()
        behind = " ".join(["0"] * 17)
        (process / "stat").write_bytes(b"%d (%s) %s %d %s %d 0 0\n" % (
            pid, comm, state.encode(), parent, behind.encode(), ticks
        ))  # fmt: skip
        (process / "comm").write_bytes(comm + b"\n")
        (process / "auxv").write_bytes(auxv or b"auxv of %d" % pid)
        (process / "cmdline").write_bytes(cmdline)
        (process / "cgroup").write_text(cgroup)
        (process / "status").write_text(f"Name:\tx\nUid:\t1000\t{uid}\t{uid}\t{uid}\n")
        (process / "ns").mkdir()
        (process / "fd").mkdir()
        (process / "task" / str(pid)).mkdir(parents=True)
        shared = self._namespaces / namespace
        shared.touch()
        os.link(shared, process / "ns" / "mnt")
        if exe is not None:
            (process / "exe").symlink_to(exe)
        if root is not None:
            (process / "root").symlink_to(root)
        return process

    def serves(self, pid: int, tables: dict[str, str], inodes: list[int], namespace: str = "first") -> None:
        """Give a process sockets, by the text of its network namespace's /proc/PID/net/* and the inodes it holds."""
        net = self.directory / str(pid) / "net"
        net.mkdir()
        shared = self._namespaces / f"net-{namespace}"
        shared.touch()
        os.link(shared, self.directory / str(pid) / "ns" / "net")
        for name, text in tables.items():
            (net / name).write_text(text)
        for number, inode in enumerate(inodes, start=3):
            (self.directory / str(pid) / "fd" / str(number)).symlink_to(f"socket:[{inode}]")
