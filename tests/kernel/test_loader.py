"""What the loading child leaves to the daemon: descriptors, and nothing of the compiler."""

from __future__ import annotations

from pathlib import Path

from tracing import daemon

from exporter.lab import wait_until


def test_the_compiler_is_gone_when_the_daemon_is_ready(tmp_path: Path) -> None:
    """The compiler (bcc, LLVM, clang) was never in the daemon's memory or its lookout's, and the child is no more."""
    with daemon(tmp_path) as running:
        pid = running.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        wait_until(lambda: len(children.read_text().split()) == 1, 30, "the loader to be gone")
        assert "libbpf.so" in Path(f"/proc/{pid}/maps").read_text()
        for one in (pid, *children.read_text().split()):
            maps = Path(f"/proc/{one}/maps").read_text()
            assert not [name for name in ("libbcc", "libLLVM", "libclang") if name in maps]
