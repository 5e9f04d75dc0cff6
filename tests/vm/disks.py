"""The machines: Debian 12 with its own kernels and two of later releases, Debian 13 for arm64 and with Podman."""

from __future__ import annotations

from dataclasses import dataclass

PACKAGES = (
    *("systemd-sysv", "kmod", "tiny-initramfs", "xz-utils"),  # what it boots with
    *("sendmail-bin", "apache2", "dnsmasq-base", "iproute2"),  # the experiment
    "bpftool",  # what is attached, and what stays behind
)
ROWS_PACKAGES = ("gcc", "libc6-dev", "nftables", "openssl")
"""What the scorecard needs, if the machine runs rows of it."""
KUBE_PACKAGES = (
    *("systemd-sysv", "kmod", "tiny-initramfs", "xz-utils"),
    *("podman", "crun", "catatonit", "netavark", "aardvark-dns", "dbus"),  # the engine, and what it needs beside it
    "python3",
)


@dataclass(frozen=True)
class Disk:
    """A root file system: its release and packages; the units that its experiment starts, and nobody before."""

    release: str
    packages: tuple[str, ...]
    architecture: str = "amd64"
    not_started: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kernel:
    """A kernel of Debian's: its package, the release that has it, its name in /boot as a glob, and its parameters."""

    package: str
    release: str
    boot: str
    parameters: str = ""
    disk: str = "bookworm"

    @property
    def architecture(self) -> str:
        """The architecture, as Debian names it."""
        return DISKS[self.disk].architecture


_SERVICES = ("apache2.service", "sendmail.service")

DISKS = {
    "bookworm": Disk("bookworm", PACKAGES, not_started=_SERVICES),
    "arm64": Disk("trixie", (*PACKAGES, *ROWS_PACKAGES), "arm64", not_started=_SERVICES),
    "kube": Disk("trixie", KUBE_PACKAGES),
}
KERNELS = {
    "6.1": Kernel("linux-image-amd64", "bookworm", "6.1.*-amd64"),
    "6.12": Kernel("linux-image-6.12-amd64", "bookworm", "6.12.*[0-9]-amd64"),
    "6.12-rt": Kernel("linux-image-rt-amd64", "trixie", "6.12.*-rt-amd64"),  # PREEMPT_RT
    "unstable": Kernel("linux-image-amd64", "sid", "[!6].*[0-9]-amd64", "nohz_full=1"),  # the newest that there is
    "arm64": Kernel("linux-image-arm64", "trixie", "6.12.*-arm64", disk="arm64"),
    "kube": Kernel("linux-image-amd64", "trixie", "6.12.*-amd64", disk="kube"),
}
