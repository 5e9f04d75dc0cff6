"""subreap.py COMMAND...: run a program that goes into the background, and stay its ancestor until it has exited."""

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def main(command: list[str]) -> None:
    """Run it, and reap whoever it leaves behind (prctl(2)); SIGTERM ends them all."""
    signal.signal(signal.SIGTERM, lambda *_: end())
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    subprocess.Popen(command)
    with suppress(ChildProcessError):
        while True:
            os.wait()


def end() -> None:
    """End everybody, and this program."""
    for child in Path("/proc/self/task", str(os.getpid()), "children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
