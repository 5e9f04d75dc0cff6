"""One program that the lab runs, and what it prints."""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from exporter.lab.waiting import wait_until

STOP_SECONDS = 3.0


class LabError(RuntimeError):
    """Something the lab needs cannot be had on this machine; the text has the failing program's own words."""


class Program:
    """A running program. Its standard output and standard error go, together, to an unnamed file.

    It gets a session of its own: the Ctrl-C that interrupts a demo does not reach it.
    Raises FileNotFoundError where `argv[0]` is not installed.
    """

    def __init__(self, argv: Sequence[str | Path], env: Mapping[str, str]) -> None:
        self.argv = [str(word) for word in argv]
        self._printed = ""
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 -- open as long as the program runs
        try:
            self._process = subprocess.Popen(
                self.argv,
                env=env,
                stdin=subprocess.PIPE,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError:
            self._output.close()
            raise

    @property
    def pid(self) -> int:
        """Its pid as the host sees it."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit status, the negated signal that ended it, or None while it runs."""
        return self._process.poll()

    def output(self) -> str:
        """Return everything it has printed so far."""
        if not self._output.closed:
            size = os.fstat(self._output.fileno()).st_size
            # pread leaves alone the file offset, which the program writes at and shares with us.
            self._printed = os.pread(self._output.fileno(), size, 0).decode(errors="replace")
        return self._printed

    def lines(self) -> list[str]:
        """Return the complete lines it has printed so far."""
        return self.output().split("\n")[:-1]

    def wait_for_line(self, text: str, timeout: float = 10.0, skip: int = 0) -> str:
        """Return the first line that contains `text`, not counting the first `skip` lines.

        Raises LabError where the program failed first, or TimeoutError, with what it printed as a note. One that
        ended well is waited for all the same: it may be a daemon whose heir prints on.
        """

        def found() -> str | None:
            failed = self.poll()
            for line in self.lines()[skip:]:
                if text in line:
                    return line
            if failed:
                raise LabError(f"{self} ended with status {failed}: {self.output().strip()}")
            return None

        try:
            return wait_until(found, timeout, f"{self} to print {text!r}")
        except TimeoutError as error:
            error.add_note(self.output())
            raise

    def write_line(self, text: str = "") -> None:
        """Write one line to its standard input. Raises BrokenPipeError where it has ended."""
        os.write(self._stdin(), f"{text}\n".encode())

    def close_stdin(self) -> None:
        """Let it see the end of its standard input."""
        if self._process.stdin:
            self._process.stdin.close()

    def wait(self, timeout: float = 10.0) -> int:
        """Wait for its end and return its exit status. Raises subprocess.TimeoutExpired."""
        status = self._process.wait(timeout)
        self._close()
        return status

    def stop(self) -> None:
        """End it: SIGTERM, and SIGKILL for one that has not followed it after 3 s. It may have ended already."""
        self._process.terminate()
        self._process.send_signal(signal.SIGCONT)  # a paused one acts on SIGTERM only when it goes on
        try:
            self.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it with SIGKILL, and wait until it is gone."""
        self._process.kill()
        self.wait()

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens where it has ended."""
        self._process.send_signal(number)

    def _stdin(self) -> int:
        if not self._process.stdin:
            raise LabError(f"{self} has no standard input")
        return self._process.stdin.fileno()

    def _close(self) -> None:
        self.output()
        self._output.close()
        with contextlib.suppress(BrokenPipeError):
            self.close_stdin()

    def __str__(self) -> str:
        return f"{' '.join(self.argv)} (pid {self.pid})"
