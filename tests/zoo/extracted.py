"""Debian packages whose programs are run without being installed.

systemd-resolved would take /etc/resolv.conf over, unscd conflicts with nscd, and postfix with sendmail: each of their
packages is downloaded, and unpacked into a directory of its own.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from exporter.demo.lab import World
from tests.support.building import BUILT

_UNPACKED = BUILT / "zoo"


def unpack(package: str) -> Path:
    """Give the directory into which a package is unpacked, in the version that apt would install.

    Raises subprocess.CalledProcessError if apt cannot get it; what apt says is on stderr.
    """
    place = _UNPACKED / package
    if not place.exists():
        _UNPACKED.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_UNPACKED) as directory:
            _download(package, directory)
            (archive,) = Path(directory).glob("*.deb")
            tree = Path(directory) / "tree"
            subprocess.run(["dpkg-deb", "--extract", archive, tree], check=True)
            # Renamed into place, so that nobody ever starts half a package.
            shutil.move(tree, place)
    return place


def program_of(package: str, path: str) -> Path:
    """Give an unpacked package's program: below / or, since all of Debian's packages moved there, below /usr."""
    tree = unpack(package)
    return next(place for place in (tree / "usr" / path, tree / path) if place.exists())


def major_minor(package: str) -> tuple[int, int]:
    """Give the first two numbers of the version of a package that is installed; zeros if it is not."""
    query = ["dpkg-query", "--show", "--showformat=${source:Upstream-Version}", package]
    version = subprocess.run(query, check=False, capture_output=True, text=True).stdout
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def is_in_release(package: str) -> bool:
    """Say whether this release of Debian has a package."""
    found = subprocess.run(["apt-cache", "show", "--no-all-versions", package], capture_output=True, check=False)
    return bool(found.stdout)  # of a package that others only mention apt-cache prints nothing, and succeeds


def add_user(world: World, name: str, number: int, *groups: str) -> None:
    """Let a world have the user that a package's installation would make, a group of that name, and other groups."""
    with world.path("/etc/passwd").open("a") as passwd, world.path("/etc/group").open("a") as group:
        passwd.write(f"{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n")
        for offset, own in enumerate((name, *groups)):
            group.write(f"{own}:x:{number + offset}:\n")


def _download(package: str, directory: str) -> None:
    # As root apt would hand the download to its user _apt, who may not write here: it says so, and does it as root.
    command = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", package]
    if subprocess.run(command, cwd=directory, check=False).returncode:
        # The lists may be missing, or older than the archive.
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(command, cwd=directory, check=True)
