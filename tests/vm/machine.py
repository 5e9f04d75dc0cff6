"""One machine in QEMU, emulated in software: booted, left to do its experiment, and gone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from tests.vm.disks import KERNELS
from tests.vm.image import Image

SOURCE = Path(__file__).parents[2]
CONSOLE_LINES = 60
# Page tables of five levels are off, since walking them in software takes time; so do arm64's own signatures of
# pointers, and its wide registers.
_MACHINES = {
    "amd64": ("qemu-system-x86_64", "-machine", "q35", "-cpu", "max,la57=off"),
    "arm64": ("qemu-system-aarch64", "-machine", "virt", "-cpu", "max,pauth-impdef=on,lpa2=off,sve=off,sme=off"),
}
_CONSOLES = {"amd64": "ttyS0", "arm64": "ttyAMA0"}
# Neither the check of the timer nor the watchdogs know that a whole machine may have to wait for its turn.
_KERNEL = "root=/dev/vda rw panic=-1 quiet no_timer_check nowatchdog"


class MachineError(AssertionError):
    """The machine did not come to its end; the text has the last lines of its console."""


class Machine:
    """A machine that runs the experiment at once. It has no network but its own loopback interface.

    It sees the project at /source, read-only, and ``exchange``, an existing directory, at /exchange. What it writes to
    its disk is forgotten with it.
    """

    def __init__(self, image: Image, version: str, exchange: Path, experiment: str = "tests.vm.experiment") -> None:
        (exchange / "environment").write_text(f"EXPERIMENT={experiment}\n")
        self._version = version
        kernel = KERNELS[version]
        self._console = exchange / "console"
        shares = {"source": f"{SOURCE},readonly=on", "exchange": str(exchange)}
        parameters = f"{_KERNEL} console={_CONSOLES[kernel.architecture]} {kernel.parameters}"
        argv = [
            *(*_MACHINES[kernel.architecture], "-accel", "tcg,thread=multi"),
            *("-smp", "2", "-m", "1536", "-nodefaults", "-display", "none", "-nic", "none", "-no-reboot"),
            *("-serial", f"file:{self._console}", "-append", parameters),
            *("-kernel", str(image.kernel(kernel)), "-initrd", str(image.initrd(kernel))),
            *("-drive", f"file={image.disk},format=raw,if=virtio,snapshot=on"),
        ]
        for name, path in shares.items():
            argv += ["-fsdev", f"local,id={name},path={path},security_model=none"]
            argv += ["-device", f"virtio-9p-pci,fsdev={name},mount_tag={name}"]
        # With a test run that is killed, the machine goes too.
        argv = ["setpriv", "--pdeathsig", "KILL", "--", *argv]
        self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def wait(self, seconds: float) -> None:
        """Wait until it has switched itself off. Raises MachineError."""
        try:
            _, errors = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise MachineError(f"kernel {self._version}: not done within {seconds:g} s\n{self.console()}") from None
        if self._process.returncode:
            raise MachineError(f"QEMU ended with status {self._process.returncode}: {errors}\n{self.console()}")

    def console(self) -> str:
        """Give the last lines of its console."""
        with contextlib.suppress(FileNotFoundError):
            return "\n".join(self._console.read_text(errors="replace").splitlines()[-CONSOLE_LINES:])
        return ""

    def end(self) -> None:
        """End it where it still runs."""
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.communicate()
