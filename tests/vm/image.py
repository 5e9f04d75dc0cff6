"""The disk of the machine: Debian 12 with both of its kernels, and the services of the experiment.

Made by mmdebstrap from where this machine's own apt takes Debian, and kept until something that it is made of changes.
The project and its package are not on it: the machine gets them when it is booted.
"""

from __future__ import annotations

import fcntl
import hashlib
import platform
import re
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

RELEASE = "bookworm"
OVERLAY = Path(__file__).parent / "overlay"
KERNELS = {"6.1": "linux-image-amd64", "6.12": "linux-image-6.12-amd64"}
PACKAGES = [
    *("systemd-sysv", "kmod", "tiny-initramfs", "xz-utils"),  # what it boots with
    *KERNELS.values(),
    *("sendmail-bin", "apache2", "dnsmasq-base", "iproute2"),  # the experiment
    "bpftool",  # what is attached, and what stays behind
]
UNUSED = [
    *("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*"),
    *("/*lib/modules/*/kernel/drivers/*", "/*lib/modules/*/kernel/sound/*"),
]
DRIVERS = ["/*lib/modules/*/kernel/drivers/virtio/*", "/*lib/modules/*/kernel/drivers/block/*"]
NOT_STARTED = ["apache2.service", "sendmail.service"]
"""The experiment starts them when its nameservers are there."""
DISTURBING = [
    *(
        "apt-daily.timer",
        "apt-daily-upgrade.timer",
        "dpkg-db-backup.timer",
        "e2scrub_all.timer",
        "e2scrub_reap.service",
    ),
    *("getty.target", "systemd-update-utmp-runlevel.service"),
]
BYTES = 3 << 30


class ImageError(RuntimeError):
    """The image cannot be made here; the text says why."""


@dataclass(frozen=True)
class Image:
    """A root file system, and what boots it."""

    directory: Path

    @property
    def disk(self) -> Path:
        """The file system (ext4)."""
        return self.directory / "disk"

    def kernel(self, version: str) -> Path:
        """Give the kernel of a version, like 6.1."""
        return self._boot("vmlinuz", version)

    def initrd(self, version: str) -> Path:
        """Give its initial file system."""
        return self._boot("initrd.img", version)

    def _boot(self, name: str, version: str) -> Path:
        (found,) = (self.directory / "boot").glob(f"{name}-{version}.*")
        return found


def build(place: Path, package: Path) -> Image:
    """Make the image below ``place``, with what the Debian package depends on, unless it is there.

    Takes root and some minutes. Raises ImageError where this is no such machine, or mmdebstrap fails.
    """
    command = _command(_dependencies(package))
    image = Image(place / _digest(command))
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs make it once
        if not image.directory.exists():
            for old in filter(Path.is_dir, place.iterdir()):
                shutil.rmtree(old)
            _make(command, image)
    return image


def _make(command: list[str], image: Image) -> None:
    with tempfile.TemporaryDirectory(dir=image.directory.parent) as temporary:
        root, made = Path(temporary, "root"), Image(Path(temporary, "made"))
        _run([*command, RELEASE, str(root), "-"], _sources())
        shutil.copytree(root / "boot", made.directory / "boot")
        with made.disk.open("wb") as file:
            file.truncate(BYTES)
        _run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", str(root), str(made.disk)])
        made.directory.rename(image.directory)


def _command(dependencies: list[str]) -> list[str]:
    overlay = shlex.quote(f"{OVERLAY}/.")
    units = f"systemctl disable {' '.join(NOT_STARTED)}; systemctl mask {' '.join(DISTURBING)}"
    return [
        # What it mounts goes with it, however it ends.
        *("unshare", "--mount", "--propagation", "private", "--"),
        *("mmdebstrap", "--mode=root", "--variant=minbase", "--skip=cleanup/reproducible"),
        *("--aptopt=APT::Install-Recommends false", "--dpkgopt=force-unsafe-io"),
        *(f"--dpkgopt=path-exclude={path}" for path in UNUSED),
        *(f"--dpkgopt=path-include={path}" for path in DRIVERS),
        f'--setup-hook=cp -R {overlay} "$1"',
        f'--customize-hook=mkdir "$1/source" "$1/exchange"; chroot "$1" sh -ec "{units}; systemctl enable experiment"',
        f"--include={','.join([*PACKAGES, *dependencies])}",
    ]


def _digest(command: list[str]) -> str:
    made_of = hashlib.sha256(repr([word for word in command if str(OVERLAY) not in word]).encode())
    made_of.update(Path(__file__).read_bytes())
    for path in sorted(filter(Path.is_file, OVERLAY.rglob("*"))):
        made_of.update(f"{path.relative_to(OVERLAY)}\0".encode() + path.read_bytes())
    return made_of.hexdigest()[:16]


def _dependencies(package: Path) -> list[str]:
    """Name what the package depends on; of alternatives, the first."""
    return re.findall(r"(?:^|,)\s*([a-z0-9.+-]+)", _run(["dpkg-deb", "--field", str(package), "Depends"]))


def _sources() -> str:
    """Give the lines of sources.list(5) for this release, from apt's own configuration."""
    if (mine := platform.freedesktop_os_release().get("VERSION_CODENAME")) != RELEASE:
        raise ImageError(f"the image is made of Debian {RELEASE}'s packages, and this machine's apt has {mine}'s")
    form = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    found = _run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"]).splitlines()
    keys = "signed-by=/usr/share/keyrings/debian-archive-keyring.gpg"
    lines = [f"deb [{keys}] {line}\n" for line in found if line.split()[1].startswith(RELEASE)]
    if not lines:
        raise ImageError(f"apt has no source of {RELEASE} here: see /etc/apt/sources.list")
    return "".join(dict.fromkeys(lines))


def _run(argv: list[str], text: str = "") -> str:
    done = subprocess.run(argv, check=False, capture_output=True, text=True, input=text)
    if done.returncode:
        raise ImageError(f"{' '.join(argv)}: ended with status {done.returncode}: {done.stderr[-4000:]}")
    return done.stdout
