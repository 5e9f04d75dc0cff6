"""How this machine reaches its package mirrors, at run time: apt's sources, proxies, certificates, pip."""

from __future__ import annotations

import configparser
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from tests.platforms.errors import PlatformError

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
ROLLING = frozenset({"testing", "unstable", "sid"})
"""Suites without updates and security archives of their own, or with none that matters."""
_APT_OPTION = re.compile(r"Acquire::(https?|Retries|Check-|Force|AllowInsecure)")
_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_CERTIFICATES = Path("/usr/local/share/ca-certificates")
_PIP_FILES = (Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"), Path("~/.config/pip/pip.conf").expanduser())
_PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "proxy", "cert", "timeout", "default-timeout", "retries")
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO")


def sources(suite: str) -> str:
    """Give the lines of sources.list(5) for a suite, on the mirrors that this machine's own release comes from.

    Raises PlatformError if this machine is not Debian, or apt has no source of its release.
    """
    mine = _codename()
    lines = []
    for name, uri in _archives(mine).items():
        if name == mine:
            lines.append(f"{uri} {suite}")
        elif suite not in ROLLING:
            lines.append(f"{uri} {suite}{name.removeprefix(mine)}")
    if not any(line.endswith(f" {suite}") for line in lines):
        raise PlatformError(f"apt has no source of {mine} on this machine: see /etc/apt/sources.list")
    return "".join(f"deb [signed-by={KEYRING}] {line} main\n" for line in lines)


def apt_options() -> list[str]:
    """Give apt's options for the network (apt.conf(5)), one a line as `apt-config dump` prints them."""
    return ['Acquire::Retries "3";'] + [
        line for line in _run("apt-config", "dump").splitlines() if _APT_OPTION.match(line)
    ]


def variables() -> dict[str, str]:
    """Give the variables of this process's environment that lead pip, curl and the like to the mirrors."""
    names = [*_PROXIES, *(name.upper() for name in _PROXIES), *_BUNDLES]
    names += [f"PIP_{key.upper().replace('-', '_')}" for key in _PIP_KEYS]
    return {name: os.environ[name] for name in names if name in os.environ}


def write(root: Path, suite: str) -> None:
    """Let a root reach the mirrors as this machine does."""
    apt = root / "etc/apt"
    (apt / "sources.list").write_text(sources(suite))
    (apt / "apt.conf.d/90machine").write_text("\n".join([*apt_options(), 'Acquire::Languages "none";', ""]))
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    _write_certificates(root)
    (root / "etc/pip.conf").write_text(_pip_configuration())


def _write_certificates(root: Path) -> None:
    if _CERTIFICATES.is_dir():
        shutil.copytree(_CERTIFICATES, root / _CERTIFICATES.relative_to("/"), dirs_exist_ok=True)
    subprocess.run(["chroot", root, "update-ca-certificates"], check=True, capture_output=True)
    for bundle in {_BUNDLE, *(Path(path) for name, path in variables().items() if name in _BUNDLES)}:
        if bundle.is_file():
            there = root / bundle.relative_to("/")
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle, there)


def _pip_configuration() -> str:
    parser = configparser.RawConfigParser()
    parser.read(_PIP_FILES)
    found = dict(parser["global"]) if parser.has_section("global") else {}
    # What lies on this machine's disk is no mirror.
    reached = {key: value for key, value in found.items() if key in _PIP_KEYS and "file:" not in value}
    return "".join(["[global]\n", *(f"{key} = {value}\n" for key, value in reached.items())])


def _archives(codename: str) -> dict[str, str]:
    """Give the archives of this machine's release, by their names: bookworm, bookworm-updates, bookworm-security."""
    form = "$(RELEASE) $(REPO_URI)"
    found = _run("apt-get", "indextargets", "--format", form, "Created-By: Packages").splitlines()
    pairs = dict(line.split() for line in found)
    return {name: uri for name, uri in pairs.items() if name.removeprefix(codename) in {"", "-updates", "-security"}}


def _codename() -> str:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    if release.get("ID") != "debian" or "VERSION_CODENAME" not in release:
        raise PlatformError("the roots are made from this machine's own mirror: run this on a release of Debian")
    return release["VERSION_CODENAME"]


def _run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
