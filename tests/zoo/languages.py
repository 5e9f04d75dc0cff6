"""Resolvers that languages and libraries bring along: some follow the file, some read it once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from exporter.demo.lab import NEW, OLD, Program, World
from tests.support.building import BUILT
from tests.zoo.case import Case, Expected, Site, Start
from tests.zoo.driving import PROGRAMS
from tests.zoo.extracted import major_minor
from tests.zoo.glibc import FOLLOWS, FOLLOWS_ITSELF, READ_ONCE_ITSELF, getaddrinfo

GO = "/usr/bin/go"
DEBIANS_PYTHON = "/usr/bin/python3"
PAUSE = "200"
CURL = 'n=0; while :; do n=$((n + 1)); curl -s -m 2 -o /dev/null "http://h$n.$0:1/" || true; sleep 0.2; done'


def is_older(built: Path, source: Path) -> bool:
    """Say whether something has to be built again."""
    return not built.exists() or built.stat().st_mtime < source.stat().st_mtime


def musl(world: World, name: str) -> Program:
    """Run the loop of getaddrinfo(3) with musl instead of glibc, linked statically."""
    built, source = BUILT / "getaddrinfo_musl", PROGRAMS.parents[1] / "programs/getaddrinfo_loop.c"
    if is_older(built, source):
        BUILT.mkdir(exist_ok=True)
        subprocess.run(["musl-gcc", "-static", "-O1", "-o", built, source], check=True)
    return world.start([built, name, PAUSE])


def dnspython(world: World, name: str) -> Program:
    """Use Debian's dnspython."""
    return world.start([DEBIANS_PYTHON, "-I", PROGRAMS / "with_dnspython.py", name, "0.2"])


def pycares_4(world: World, name: str) -> Program:
    """Use Debian's pycares, on c-ares 1.18."""
    return world.start([DEBIANS_PYTHON, "-I", PROGRAMS / "with_pycares.py", name, "0.2"])


def pycares_5(world: World, name: str) -> Program:
    """Use pycares 5 of PyPI, whose c-ares watches the file in a thread of its own (ares_init_options(3), 1.29.0)."""
    place = BUILT / "zoo" / "pycares-5"
    if not place.exists():
        made = place.with_name(f"{place.name}.{os.getpid()}")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--target", made, "pycares>=5,<6"], check=True)
        shutil.move(made, place)
    return world.start([sys.executable, PROGRAMS / "with_pycares.py", name, "0.2"], {"PYTHONPATH": str(place)})


def node(*ways: str) -> Start:
    """Run Node's dns.lookup, which uses glibc, or its dns.resolve4, which uses c-ares, or both."""

    def start(world: World, name: str) -> Program:
        return world.start(["node", PROGRAMS / "lookups.js", name, PAUSE, *ways])

    return start


def node_checking(world: World, name: str) -> Program:
    """Run Node's c-ares, with a program that checks the file before each lookup."""
    return world.start(["node", PROGRAMS / "checking.js", name, PAUSE])


def build_go(*, cgo: bool = False) -> Path:
    """Build the program with Go's own resolver, and with glibc's beside it if it uses C."""
    built, source = BUILT / ("lookups_cgo" if cgo else "lookups_go"), PROGRAMS / "lookups/main.go"
    if is_older(built, source):
        env = {**os.environ, "CGO_ENABLED": str(int(cgo)), "GO111MODULE": "off", "GOCACHE": str(BUILT / "go-cache")}
        subprocess.run([GO, "build", "-o", built, source], check=True, env=env)
    return built


def go(world: World, name: str) -> Program:
    """Run Go's own resolver."""
    return world.start([build_go(), name, PAUSE])


def java(way: str) -> Start:
    """Run Java's lookups in one of their ways."""

    def start(world: World, name: str) -> Program:
        source, built = PROGRAMS / "Lookups.java", BUILT / "java"
        if is_older(built / "Lookups.class", source):
            subprocess.run(["javac", "-d", built, source], check=True)
        return world.start(
            ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", built, "Lookups", way, name, PAUSE]
        )

    return start


def curl(world: World, name: str) -> Program:
    """Run curl for each lookup: processes that live for some milliseconds."""
    return world.start(["sh", "-c", CURL, name])


def keeping_the_time(world: World, text: str) -> None:
    """Put a file in place that has the previous one's time, as `cp -p`, rsync or an image's layer does."""
    etc = world.path("/etc")
    before = (etc / "resolv.conf").stat()
    fresh = etc / ".resolv.conf.fresh"
    fresh.write_text(text)
    os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
    fresh.replace(etc / "resolv.conf")


# Go looks every five seconds: within the grace, which fifteen are by default.
PATIENT = "options timeout:4 attempts:1\n"
LOOKS_NOW_AND_THEN = Site("patient", f"nameserver {OLD}\n{PATIENT}", after=f"nameserver {NEW}\n{PATIENT}")
SAME_TIME = Site("same time", change=keeping_the_time)
READS_EACH_TIME = Expected("current", "direct", r"queries .*, which /etc/resolv\.conf lists", r"^nothing to do$")
GOES_BY_TIME = Expected(
    "stale",
    "direct",
    r"it checked the file \(generation 2\) without reading it: its modification time may be unchanged",
    r"^touch /etc/resolv\.conf to update its mtime; if it still uses the old server, restart",
)
TWO_RESOLVERS = Expected(
    "stale",
    "nss",
    r"it re-read the file \(generation 2\) and still queries the old server: .* or a second resolver in it",
    r"^restart .*",
)

CASES = [
    Case("musl", musl, "new", READS_EACH_TIME),
    Case("dnspython", dnspython, "old", READ_ONCE_ITSELF),
    Case(
        "pycares-4",
        pycares_4,
        "old",
        READ_ONCE_ITSELF,
        absent="this release has pycares 5" if major_minor("python3-pycares") >= (5, 0) else "",
    ),
    Case("pycares-5", pycares_5, "new", READS_EACH_TIME),
    Case("node-lookup", node("lookup"), "new", FOLLOWS),
    Case("node-resolve", node("resolve4"), "old", READ_ONCE_ITSELF),
    Case("node-both", node("lookup", "resolve4"), "both", TWO_RESOLVERS),
    Case("node-checking", node_checking, "new", READS_EACH_TIME),
    Case("go", go, "new", READS_EACH_TIME, LOOKS_NOW_AND_THEN),
    Case("go-same-time", go, "old", GOES_BY_TIME, SAME_TIME),
    Case("glibc-same-time", getaddrinfo(), "new", FOLLOWS, SAME_TIME),
    Case("java-inet", java("inet"), "new", FOLLOWS),
    Case("java-jndi", java("jndi"), "old", READ_ONCE_ITSELF),
    Case("curl", curl, "new", FOLLOWS_ITSELF, tracked=False),
]
SLOW = [
    Case(
        "java-jndi-anew",
        java("jndi-anew"),
        "both",
        Expected("current", "direct", r"lists", r"nothing to do"),
        final_seconds=330,
        meanwhile=READ_ONCE_ITSELF,  # for the five minutes until it reads again
    )
]
