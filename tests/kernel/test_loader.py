"""What the loading child leaves to the daemon: descriptors, and nothing of the compiler."""

from __future__ import annotations

from pathlib import Path

from tracing import daemon

from exporter.lab import wait_until


def test_the_compiler_is_gone_when_the_daemon_is_ready(tmp_path: Path) -> None:
    """The compiler (bcc, LLVM, clang) was never in the daemon's memory, and the child is no more."""
    with daemon(tmp_path) as running:
        pid = running.process.pid
        maps = Path(f"/proc/{pid}/maps").read_text()
        assert "libbpf.so" in maps
        assert not [name for name in ("libbcc", "libLLVM", "libclang") if name in maps]
        children = Path(f"/proc/{pid}/task/{pid}/children")
        wait_until(lambda: not children.read_text().split(), 5, "the loader to be gone")
