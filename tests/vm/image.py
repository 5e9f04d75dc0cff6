"""Makes the disks of the machines by mmdebstrap, from where this machine's own apt takes Debian.

A disk is kept until something that it is made of changes. The project and its package are not on it: the machine gets
them when it is booted.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.platforms import mirrors
from tests.platforms.errors import PlatformError
from tests.vm.disks import DISKS, KERNELS, Disk, Kernel

OVERLAY = Path(__file__).parent / "overlay"
ADD_KERNELS = Path(__file__).parent / "add-kernels"
UNUSED = (
    *("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*"),
    *("/*lib/modules/*/kernel/drivers/*", "/*lib/modules/*/kernel/sound/*"),
)
DRIVERS = tuple(f"/*lib/modules/*/kernel/drivers/{name}" for name in ("virtio/*", "block/*", "net/veth.*"))
DISTURBING = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer"),
    *("e2scrub_reap.service", "podman-auto-update.timer"),
    *("getty.target", "systemd-update-utmp-runlevel.service"),
)
BYTES = 4 << 30


@dataclass(frozen=True)
class Image:
    """A root file system, and what boots it."""

    directory: Path

    @property
    def disk(self) -> Path:
        """The file system (ext4)."""
        return self.directory / "disk"

    def kernel(self, kernel: Kernel) -> Path:
        """Give a kernel."""
        return self._boot("vmlinuz", kernel)

    def initrd(self, kernel: Kernel) -> Path:
        """Give its initial file system."""
        return self._boot("initrd.img", kernel)

    def _boot(self, name: str, kernel: Kernel) -> Path:
        (found,) = (self.directory / "boot").glob(f"{name}-{kernel.boot}")
        return found


def build(place: Path, name: str, package: Path | None = None) -> Image:
    """Make a disk below ``place``, with what a Debian package depends on, unless it is there.

    Needs root, and takes some minutes. Raises PlatformError if this is no such machine, or a command fails.
    """
    place /= name
    command = _command(name, _dependencies(package) if package else [])
    image = Image(place / _digest(command))
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs make it once
        if not image.directory.exists():
            for old in filter(Path.is_dir, place.iterdir()):
                shutil.rmtree(old)
            _make(name, command, image)
    return image


def _make(name: str, command: list[str], image: Image) -> None:
    releases = dict.fromkeys([DISKS[name].release, *(kernel.release for kernel in _kernels(name))])
    options = [f"--aptopt={line}" for line in mirrors.apt_options()]
    with tempfile.TemporaryDirectory(dir=image.directory.parent) as temporary:
        root, made = Path(temporary, "root"), Image(Path(temporary, "made"))
        words = [*command, *options, DISKS[name].release, str(root), "-"]
        _run(words, "".join(mirrors.sources(release) for release in releases))
        shutil.copytree(root / "boot", made.directory / "boot")
        with made.disk.open("wb") as file:
            file.truncate(BYTES)
        _run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", str(root), str(made.disk)])
        made.directory.rename(image.directory)


def _command(name: str, dependencies: list[str]) -> list[str]:
    disk = DISKS[name]
    kernels = _kernels(name)
    packages = [*disk.packages, *_own(disk, kernels), *dependencies]
    overlay = shlex.quote(f"{OVERLAY}/.")
    later = " ".join(f"{kernel.package}/{kernel.release}" for kernel in kernels if kernel.release != disk.release)
    add = shlex.quote(str(ADD_KERNELS))
    # What a kernel depends on comes with it, and nothing else from a later release.
    pin = (
        f'printf "Package: *\nPin: release n={disk.release}*\nPin-Priority: 990\n" >"$1/etc/apt/preferences.d/release"'
    )
    return [
        # What it mounts goes with it, however it exits.
        *("unshare", "--mount", "--propagation", "private", "--"),
        *("mmdebstrap", "--mode=root", "--variant=minbase", "--skip=cleanup/reproducible"),
        f"--architectures={disk.architecture}",
        *("--aptopt=APT::Install-Recommends false", "--dpkgopt=force-unsafe-io"),
        *(f"--dpkgopt=path-exclude={path}" for path in UNUSED),
        *(f"--dpkgopt=path-include={path}" for path in DRIVERS),
        f'--setup-hook=cp -R {overlay} "$1"; mkdir -p "$1/etc/apt/preferences.d"; {pin}',
        *([f'--customize-hook={add} "$1" {later}'] if later else []),
        f'--customize-hook=mkdir "$1/source" "$1/exchange"; chroot "$1" sh -ec "{_units(disk)}"',
        f"--include={','.join(packages)}",
    ]


def _kernels(name: str) -> list[Kernel]:
    return [kernel for kernel in KERNELS.values() if kernel.disk == name]


def _own(disk: Disk, kernels: list[Kernel]) -> list[str]:
    return [kernel.package for kernel in kernels if kernel.release == disk.release]


def _units(disk: Disk) -> str:
    disable = f"systemctl disable {' '.join(disk.not_started)}; " if disk.not_started else ""
    return f"{disable}systemctl mask {' '.join(DISTURBING)}; systemctl enable experiment"


def _digest(command: list[str]) -> str:
    made_of = hashlib.sha256(repr([word for word in command if str(OVERLAY.parent) not in word]).encode())
    made_of.update(Path(__file__).read_bytes() + ADD_KERNELS.read_bytes())
    for path in sorted(filter(Path.is_file, OVERLAY.rglob("*"))):
        made_of.update(f"{path.relative_to(OVERLAY)}\0".encode() + path.read_bytes())
    return made_of.hexdigest()[:16]


def _dependencies(package: Path) -> list[str]:
    """Name what the package depends on; of alternatives, the first."""
    return re.findall(r"(?:^|,)\s*([a-z0-9.+-]+)", _run(["dpkg-deb", "--field", str(package), "Depends"]))


def _run(argv: list[str], text: str = "") -> str:
    done = subprocess.run(argv, check=False, capture_output=True, text=True, input=text)
    if done.returncode:
        raise PlatformError(f"{' '.join(argv)}: ended with status {done.returncode}: {done.stderr[-4000:]}")
    return done.stdout
