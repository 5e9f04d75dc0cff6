"""One program that the lab runs, and its output."""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from exporter.demo.lab import waiting
from exporter.demo.lab.waiting import wait_until

STOP_SECONDS = 3.0


class LabError(RuntimeError):
    """The lab cannot do something on this machine; the message contains the failing program's output."""


class Program:
    """A running program. Its standard output and standard error go to one unnamed file.

    It has its own session: Ctrl-C of the demo does not reach it. Raises FileNotFoundError if `argv[0]` is not
    installed.
    """

    def __init__(self, argv: Sequence[str | Path], env: Mapping[str, str]) -> None:
        self.argv = [str(word) for word in argv]
        self._printed = ""
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 -- open while the program runs
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
        """Its pid on the host."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit status, the negative number of the signal that killed it, or None while it runs."""
        return self._process.poll()

    def output(self) -> str:
        """Return everything it has printed so far."""
        if not self._output.closed:
            size = os.fstat(self._output.fileno()).st_size
            # pread keeps the file offset, which is shared with the program that writes there.
            self._printed = os.pread(self._output.fileno(), size, 0).decode(errors="replace")
        return self._printed

    def lines(self) -> list[str]:
        """Return the complete lines it has printed so far."""
        return self.output().split("\n")[:-1]

    def wait_for_line(self, text: str, timeout: float = 10.0, skip: int = 0) -> str:
        """Return the first line that contains `text`, not counting the first `skip` lines.

        Raises LabError if the program failed first, or TimeoutError, with its output as a note. After an exit with
        status 0 the wait goes on: a daemon's child may print more.
        """

        def found() -> str | None:
            failed = self.poll()
            for line in self.lines()[skip:]:
                if text in line:
                    return line
            if failed:
                raise LabError(f"{self} exited with status {failed}: {self.output().strip()}")
            return None

        try:
            return wait_until(found, timeout, f"{self} to print {text!r}")
        except TimeoutError as error:
            error.add_note(self.output())
            raise

    def write_line(self, text: str = "") -> None:
        """Write one line to its standard input. Raises BrokenPipeError if it has exited."""
        os.write(self._stdin(), f"{text}\n".encode())

    def close_stdin(self) -> None:
        """Close its standard input."""
        if self._process.stdin:
            self._process.stdin.close()

    def wait(self, timeout: float = 10.0) -> int:
        """Wait for its exit and return its status. Raises subprocess.TimeoutExpired."""
        status = self._process.wait(timeout * waiting.timeout_factor)
        self._close()
        return status

    def stop(self) -> None:
        """Stop it by SIGTERM, and by SIGKILL after 3 s. It may have exited already."""
        self._process.terminate()
        self._process.send_signal(signal.SIGCONT)  # a stopped process handles SIGTERM only when it continues
        try:
            self.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill it with SIGKILL, and wait for its exit."""
        self._process.kill()
        self.wait()

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal; no effect if it has exited."""
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
