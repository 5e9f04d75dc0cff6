"""What the loading child leaves to the daemon: descriptors, nothing of the compiler, and its last words if it fails."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path

import pytest

from exporter.demo.lab import wait_until
from tests.support.tracing import RESOLVTRACE, Daemon, daemon
from tracer.kernel import programs

WITH_OTHER_PROGRAMS = """
import sys
from pathlib import Path
from exporter import cli
from tracer.kernel import programs
programs.SOURCE = Path(sys.argv.pop(1))
{also}
sys.exit(cli.main())
"""
# BPF has five registers for arguments.
REFUSED_BY_LLVM = """
static __attribute__((noinline)) u64 refused_by_llvm(u64 *a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
    *a = b + c + d + e + f;
    return f;
}
int calls_it(u64 *c) { return refused_by_llvm(c, c[1], c[2], c[3], c[4], c[5]); }
"""
UNCHECKED = "struct process *found = processes.lookup(&tgid);\n    if (found)"
KILLED_WHILE_COMPILING = """
import os
from tracer.kernel import loader
loader._Module = lambda *_: os.kill(os.getpid(), {number})
"""


def test_the_compiler_is_gone_when_the_daemon_is_ready(tmp_path: Path) -> None:
    """The compiler (bcc, LLVM, clang) was never in the daemon's memory or its root reader's; its child has exited."""
    with daemon(tmp_path) as running:
        pid = running.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        wait_until(lambda: len(children.read_text().split()) == 1, 30, "the loader to be gone")
        assert "libbpf.so" in Path(f"/proc/{pid}/maps").read_text()
        for one in (pid, *children.read_text().split()):
            maps = Path(f"/proc/{one}/maps").read_text()
            assert not [name for name in ("libbcc", "libLLVM", "libclang") if name in maps]


def error_of(directory: Path, source: Path, also: str = "") -> str:
    """Start a daemon with other programs; it exits with one error, and nothing printed before it: give that."""
    trying = Daemon(directory)
    python = [sys.executable, "-c", WITH_OTHER_PROGRAMS.format(also=also), str(source)]
    at = trying._command.index(str(RESOLVTRACE))
    trying._command[at : at + 1] = python
    trying.launch()
    try:
        assert trying.process.wait(60) != 0
    finally:
        trying.process.kill()
    error = trying.log()
    assert error.startswith("resolvtrace daemon: the ")
    assert error.count("resolvtrace daemon: ") == 1
    return error


def changed_programs(directory: Path, name: str, old: str, new: str) -> Path:
    """Copy the programs, with one change to one file."""
    source = directory / "bpf"
    shutil.copytree(programs.SOURCE, source)
    text = (source / name).read_text()
    assert text.count(old) == 1
    (source / name).write_text(text.replace(old, new))
    return source


def test_a_compiler_that_exits(tmp_path: Path) -> None:
    """LLVM exits the process from C: what it printed is reported, and what to do."""
    source = changed_programs(tmp_path, "cgroup.h", "#define ALLOW 1\n", f"#define ALLOW 1\n{REFUSED_BY_LLVM}")
    error = error_of(tmp_path, source)
    assert "the loader exited with status 1: " in error
    assert "in function calls_it" in error
    assert "too many " in error
    assert "update python3-bpfcc" in error


def test_an_error_of_the_source(tmp_path: Path) -> None:
    """The compiler's words, which name file and line."""
    error = error_of(tmp_path, changed_programs(tmp_path, "opens.c", "#define O_PATH", "#error broken\n#define O_PATH"))
    assert "the probes do not compile: " in error
    assert "bpf/opens.c:" in error
    assert "broken" in error


def test_a_program_that_the_verifier_refuses(tmp_path: Path) -> None:
    """The verifier's words: a value of a map is used before it is known to be there."""
    unsafe = UNCHECKED.replace("if (found)", "if (found->birth)")
    error = error_of(tmp_path, changed_programs(tmp_path, "maps.h", UNCHECKED, unsafe))
    assert "the kernel refuses program tracepoint__task__task_newtask: " in error
    assert "invalid mem access" in error
    assert "map_value_or_null" in error


@pytest.mark.parametrize(("number", "remedy"), [(signal.SIGKILL, "memory"), (signal.SIGSEGV, "update python3-bpfcc")])
def test_a_loader_that_is_killed(tmp_path: Path, number: signal.Signals, remedy: str) -> None:
    """The signal is reported by its name, and what it may mean."""
    error = error_of(tmp_path, programs.SOURCE, KILLED_WHILE_COMPILING.format(number=int(number)))
    assert f"was killed by signal {int(number)} ({signal.strsignal(number)}): it printed nothing" in error
    assert remedy in error
