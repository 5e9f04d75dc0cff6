"""`resolvtrace demo` itself, as an administrator runs it: what it says, how it exits, and that it leaves nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from exporter.demo.lab import wait_until
from tests.support.tracing import RESOLVTRACE

LONGEST = 60.0
"""Seconds that the demo may take in all."""
Birth = tuple[int, str]
"""A process: its pid, and its start time, since a pid comes back."""
READING = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
"""For setpriv: the checkout may lie below a directory that is root's alone."""


class Demo:
    """A running demo. What it prints goes to files; the temporary files that it makes go to a place of its own."""

    def __init__(self, directory: Path, *inside: str) -> None:
        self.temporary = directory / "tmp"
        self.temporary.mkdir()
        self._printed, self._complained = directory / "stdout", directory / "stderr"
        with self._printed.open("wb") as stdout, self._complained.open("wb") as stderr:
            self.process = subprocess.Popen(
                # Of a job in the background the shell ignores SIGINT, which would be handed down.
                [*inside, "env", "--default-signal=INT", str(RESOLVTRACE), "demo"],
                env={**os.environ, "TMPDIR": str(self.temporary)},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )

    @property
    def printed(self) -> str:
        """What it has said so far."""
        return self._printed.read_text()

    @property
    def complaint(self) -> str:
        """What it has complained of."""
        return self._complained.read_text()

    def wait_for(self, text: str) -> None:
        """Wait until it has said this."""
        wait_until(lambda: text in self.printed or self.process.poll() is not None, LONGEST, f"it to say {text!r}")
        assert text in self.printed, self.complaint

    def end(self) -> int:
        """Wait until it exits and return its status."""
        return self.process.wait(LONGEST)

    def pid_of(self, test: Callable[[bytes], bool]) -> int:
        """Return the pid of the one descendant whose command line passes; those that it forked itself go with it."""
        passing = {pid for pid, _ in descendants(self.process.pid) if test(command_line(pid))}
        (pid,) = passing - {child for one in passing for child, _ in descendants(one)}
        return pid

    @property
    def daemon(self) -> int:
        """The pid of its daemon."""
        return self.pid_of(lambda line: b"exporter.cli\0daemon" in line)

    @property
    def frozen(self) -> int:
        """The pid of the process that reads resolv.conf once."""
        return self.pid_of(lambda line: line.endswith(b"\0frozen\0hat.com\0"))


@contextmanager
def demo(directory: Path, *inside: str) -> Iterator[Demo]:
    """Run the demo for a `with` block, and stop it if the block fails."""
    running = Demo(directory, *inside)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def birth(pid: int) -> Birth | None:
    """Identify a process; None if there is none, or only a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else (pid, fields[19])


def descendants(pid: int) -> set[Birth]:
    """Identify those that a process has started, and those that they have."""
    found: set[Birth] = set()
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found |= {one for one in [birth(child)] if one} | descendants(child)
    return found


def command_line(pid: int) -> bytes:
    """Return a process's command line, with its zero bytes; nothing for one that is gone."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def kernel_objects(pid: int) -> set[tuple[str, str]]:
    """Name the BPF links and programs that a process holds: kind and id."""
    found = set()
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        with suppress(FileNotFoundError):
            text = info.read_text()
            found |= {("link", number) for number in re.findall(r"^link_id:\s*(\d+)", text, re.MULTILINE)}
            found |= {("prog", number) for number in re.findall(r"^prog_id:\s*(\d+)", text, re.MULTILINE)}
    return found


def in_kernel(kind: str, number: str) -> bool:
    """Say whether the kernel has a BPF object. By what is printed: bpftool 7.5 shows a link and still returns 255."""
    shown = subprocess.run(["bpftool", kind, "show", "id", number], capture_output=True, text=True, check=False)
    return shown.stdout.startswith(f"{number}:")


@contextmanager
def nothing_stays(running: Demo) -> Iterator[None]:
    """See that what the demo has when the block begins is gone soon after it: processes, BPF objects, files."""
    processes, objects = descendants(running.process.pid), kernel_objects(running.daemon)
    assert len(processes) > 5
    assert {kind for kind, number in objects if in_kernel(kind, number)} == {"link", "prog"}
    yield
    wait_until(lambda: not any(birth(pid) == (pid, start) for pid, start in processes), 5, f"{processes} to end")
    wait_until(lambda: not any(in_kernel(*one) for one in objects), 5, f"{objects} to be gone")
    assert not list(running.temporary.iterdir())


def test_the_flag_goes_up_and_down(tmp_path: Path) -> None:
    """On a sound machine it shows the flag of the frozen process alone go up, and down after the restart."""
    with demo(tmp_path) as running:
        running.wait_for("THE FLAG IS UP")
        with nothing_stays(running):
            assert running.end() == 0, running.complaint
    expected = [
        r"resolv.conf now lists 192\.168\.122\.72",
        r"healthy gets 192\.168\.122\.204",
        r"frozen still gets 192\.168\.122\.203",
        r"THE FLAG IS UP: frozen",
        r"resolvtrace_stale_processes [1-9]",
        r'comm="frozen",\s+nameserver="192\.168\.122\.65".* [1-9]',
        r"stale +\d+  frozen",
        r"current +\d+  healthy",
        r"Restarting frozen",
        r"frozen gets 192\.168\.122\.204",
        r"THE FLAG IS DOWN: frozen",
        r'comm="frozen",\s+nameserver="192\.168\.122\.65".* (\(no series\)|[1-9])',  # another demo may be on
        r"Success: flagged",
    ]
    assert re.search(".*".join(expected), running.printed, re.DOTALL), running.printed
    assert not running.complaint
    assert max(map(len, running.printed.splitlines())) < 80
    assert "\x1b" not in running.printed


def test_nscd_is_optional(tmp_path: Path) -> None:
    """Where nscd is not installed, there is one process less, the demo says so, and all else is as it was."""
    hidden = 'mount -n --bind /dev/null /usr/sbin/nscd && exec "$@"'
    with demo(tmp_path, "unshare", "--mount", "sh", "-c", hidden, "sh") as running:
        assert running.end() == 0, running.complaint
    assert "If nscd is installed, there is one more" in running.printed
    assert "via-nscd" not in running.printed


def test_a_daemon_that_dies_is_a_failure(tmp_path: Path) -> None:
    """With its daemon killed in the middle the demo fails, says that in one line, and cleans up."""
    with demo(tmp_path) as running:
        running.wait_for("resolv.conf now lists")
        with nothing_stays(running):
            os.kill(running.daemon, signal.SIGKILL)
            assert running.end() == 1
    assert running.complaint.startswith("resolvtrace demo: the daemon exited during the demo with status -9\n")
    assert "event=ready" in running.complaint
    assert "Success" not in running.printed


def test_a_flag_that_stays_down_is_a_failure(tmp_path: Path) -> None:
    """A frozen process that no longer queries is not flagged, and the demo says which expectation that fails."""
    with demo(tmp_path) as running:
        running.wait_for("frozen still gets 192.168.122.203")
        with nothing_stays(running):
            pid = running.frozen
            os.kill(pid, signal.SIGSTOP)
            assert running.end() == 1
    assert f"resolvtrace demo: frozen (pid {pid}) queries 192.168.122.65 after the change and must be flagged" in (
        running.complaint
    )
    assert "THE FLAG IS UP" not in running.printed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_that_is_stopped_cleans_up(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM stop it, twice in a row as well, and nothing stays."""
    with demo(tmp_path) as running:
        running.wait_for("resolv.conf now lists")
        with nothing_stays(running):
            running.process.send_signal(number)
            running.process.send_signal(number)
            assert running.end() == 128 + number
    assert running.complaint == "resolvtrace demo: stopped; everything it had started is removed\n"


def test_one_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    """Even SIGKILL, after which it can do nothing, leaves nothing behind."""
    with demo(tmp_path) as running:
        running.wait_for("resolv.conf now lists")
        with nothing_stays(running):
            running.process.kill()
            assert running.end() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("inside", "complaint"),
    [
        (
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *READING],
            "root is required, for namespaces and BPF: run sudo resolvtrace demo",
        ),
        (
            ["unshare", "--mount", "sh", "-c", 'mount -n --bind /dev/null /usr/sbin/dnsmasq && exec "$@"', "sh"],
            "dnsmasq not found: apt install dnsmasq-base",
        ),
    ],
)
def test_what_it_needs_is_said_in_one_line(tmp_path: Path, inside: list[str], complaint: str) -> None:
    """What is missing is named, with the remedy, before anything is started."""
    with demo(tmp_path, *inside) as running:
        assert running.end() == 1
    assert running.complaint == f"resolvtrace demo: {complaint}\n"
