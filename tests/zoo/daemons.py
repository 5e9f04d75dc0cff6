"""Daemons of public reports, as Debian has them: docs/field.md tells what each report is about."""

from __future__ import annotations

import signal

from exporter.demo.lab import OLD, Program, World, wait_until
from tests.support.tracing import SHORT
from tests.zoo.case import (
    EARLY_SECONDS,
    LOOKS_EACH_MINUTE,
    ONCE,
    RELOAD_BY_HAND,
    RESTART_ALONE,
    Case,
    Expected,
    Site,
    Start,
)
from tests.zoo.driving import PROGRAMS, SECONDS, drive, reconfigure
from tests.zoo.extracted import add_user, is_in_release, major_minor
from tests.zoo.forwarders import DNSMASQ, LOCAL
from tests.zoo.servers import AT_EACH_REQUEST, nginx

DEBIANS_PYTHON = "/usr/bin/python3"
JAIL = "/run/stunnel-jail"
AARDVARK = "127.0.0.21"
AVAHI = """
[server]
enable-dbus=yes
use-ipv6=no
allow-point-to-point=yes
[wide-area]
enable-wide-area=yes
[publish]
disable-publishing=yes
"""
STUNNEL = """
foreground = yes
pid =
{chroot}
[lookup]
client = yes
accept = 127.0.0.1:{port}
connect = {name}:1
delay = yes
"""
PGBOUNCER = """
[databases]
{databases}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
dns_max_ttl = 1
dns_nxdomain_ttl = 1
"""


def in_background(world: World, *command: str) -> Program:
    """Run a program that forks into the background, so that its processes are found below the one started."""
    return world.start([DEBIANS_PYTHON, "-I", PROGRAMS / "subreap.py", *command])


def aardvark(world: World, name: str) -> Program:
    """Run aardvark-dns, as Podman does for a network; it forwards what is no container's name."""
    world.path("/run/aardvark").mkdir(exist_ok=True)
    world.path("/run/aardvark/lab").write_text(f"{AARDVARK}\n{'1' * 64} 127.0.0.31  web\n")
    program = in_background(world, "/usr/lib/podman/aardvark-dns", "--config", "/run/aardvark", "--port", "53", "run")
    drive(world, "query", AARDVARK, name)
    return program


def avahi(*options: str) -> Start:
    """Run avahi-daemon, whose chroot helper opens resolv.conf for it; avahi-resolve(1) looks names up by D-Bus."""

    def start(world: World, name: str) -> Program:
        world.path("/run/avahi.conf").write_text(AVAHI)
        program = world.start(["avahi-daemon", "--file=/run/avahi.conf", "--no-rlimits", *options])
        program.wait_for_line("startup complete")
        loop = 'n=0; while :; do n=$((n + 1)); timeout 1 avahi-resolve -4 -n "h$n.$0"; sleep 0.1; done'
        world.start(["sh", "-c", loop, name])
        return program

    return start


def begin_bus(world: World) -> None:
    """Run D-Bus."""
    world.path("/run/dbus").mkdir()
    world.start(["dbus-daemon", "--system", "--nofork", "--nopidfile"])
    wait_until(world.path("/run/dbus/system_bus_socket").exists, 10, "the bus to be there")


def stunnel(port: int, jail: str = "") -> Start:
    """Run stunnel, which looks up at each connection where that goes."""

    def start(world: World, name: str) -> Program:
        if jail:
            world.path(f"{jail}/etc").mkdir(parents=True, exist_ok=True)
        chroot = f"chroot = {jail}" if jail else ""
        world.path(f"/run/{name}.conf").write_text(STUNNEL.format(chroot=chroot, port=port, name=name))
        program = world.start(["stunnel4", f"/run/{name}.conf"])
        drive(world, "connect", str(port))
        return program

    return start


def pgbouncer(port: int) -> Start:
    """Run PgBouncer as the user postgres, which it looks up first; each database is at a host of its own."""

    def start(world: World, name: str) -> Program:
        if not any(line.startswith("bouncer:") for line in world.path("/etc/passwd").read_text().splitlines()):
            add_user(world, "bouncer", 64930)
        databases = "\n".join(f"d{number} = host=h{number}.{name} port=1" for number in range(1, 201))
        users = f"/run/{name}.users"
        world.path(users).write_text('"lab" ""\n')
        world.path(f"/run/{name}.ini").write_text(PGBOUNCER.format(databases=databases, port=port, users=users))
        program = world.start(["pgbouncer", "-u", "bouncer", f"/run/{name}.ini"])
        drive(world, "postgres", str(port))
        return program

    return start


def shadowsocks(world: World, name: str) -> Program:
    """Run ss-server, and ss-local, through which curl looks names up."""
    secret = ("-k", "lab", "-m", "aes-256-gcm", "-t", "2")
    program = world.start(["ss-server", "-s", "127.0.0.1", "-p", "8388", *secret])
    world.start(["ss-local", "-s", "127.0.0.1", "-p", "8388", "-b", "127.0.0.1", "-l", "1080", *secret])
    loop = 'n=0; while :; do n=$((n + 1)); curl -s -m 1 -x socks5h://127.0.0.1:1080 "http://h$n.$0:1/"; sleep 0.2; done'
    world.start(["sh", "-c", loop, name])
    return program


def dirmngr(world: World, name: str) -> Program:
    """Run dirmngr, as GnuPG does for a user, and have it look certificates up."""
    world.path("/run/gnupg").mkdir(mode=0o700)
    loop = '(n=0; while :; do n=$((n + 1)); echo "DNS_CERT --pka lab@h$n.$0"; sleep 0.2; done)'
    return world.start(["sh", "-c", f"{loop} | exec dirmngr --homedir /run/gnupg --server", name])


def python(script: str) -> Start:
    """Run a program that uses one of Debian's Python modules."""

    def start(world: World, name: str) -> Program:
        return world.start([DEBIANS_PYTHON, "-I", PROGRAMS / f"{script}.py", name, str(SECONDS)])

    return start


def serve_locally(world: World) -> None:
    """Run dnsmasq on 127.0.0.1, for those whose configuration names that."""
    world.start([*DNSMASQ, "--no-resolv", f"--server={OLD}"])


AARDVARK_WATCHES = major_minor("aardvark-dns") >= (1, 17)
"""By inotify(7), the file and not its directory: the first file moved over it is reported, and no later one."""
FOLLOWS_ONCE = Expected("current", "direct", r"queries .*, which /etc/resolv\.conf lists", "^nothing to do$")
FIELD = Site("field")
EMPTIED = Site("emptied", between=(SHORT,), prepare=serve_locally)
TWISTED = Site("twisted")
CASES = [
    Case(
        "aardvark",
        aardvark,
        "old",
        Expected("stale", "direct", ONCE, RELOAD_BY_HAND),
        FIELD,
        comm="aardvark-dns",
        cure=reconfigure(signal.SIGHUP, "aardvark-dns"),
        absent="this release has an aardvark-dns that watches the file" if AARDVARK_WATCHES else "",
    ),
    Case(
        "aardvark-watches",
        aardvark,
        "new",
        FOLLOWS_ONCE,
        FIELD,
        comm="aardvark-dns",
        absent="" if AARDVARK_WATCHES else "this release has an aardvark-dns that reads the file once",
    ),
    Case(
        "avahi",
        avahi("--no-chroot"),
        "old",
        Expected("stale", "direct", r"the file at generation 1|since generation 1", RELOAD_BY_HAND),
        Site("avahi", prepare=begin_bus),
        cure=reconfigure(signal.SIGHUP),
    ),
    Case(
        "avahi-chroot",
        avahi(),
        "old",
        Expected("stale", "direct", r"; its helper, pid \d+, read the file at generation 1", RELOAD_BY_HAND),
        Site("avahi in its chroot", prepare=begin_bus),
        cure=reconfigure(signal.SIGHUP),
    ),
    Case("stunnel", stunnel(8031), "new", Expected("current", "nss", "lists", "^nothing to do$"), FIELD),
    Case(
        "stunnel-chroot",
        stunnel(8032, JAIL),
        "nobody",
        Expected("unlisted", "nss|direct", rf"there is no {JAIL}/etc/resolv\.conf", "^put a copy"),
        FIELD,
    ),
    Case("pgbouncer", pgbouncer(8033), "old", Expected("stale", "direct", ONCE, RESTART_ALONE), FIELD),
    Case(
        "dirmngr",
        dirmngr,
        "new",
        Expected("current", "direct", "lists, and checks the file before it queries$", "^nothing to do$"),
        FIELD,
    ),
    Case(
        "shadowsocks",
        shadowsocks,
        "old",
        Expected("stale", "direct", ONCE, RESTART_ALONE),
        FIELD,
        absent="" if is_in_release("shadowsocks-libev") else "this release has no shadowsocks-libev",
    ),
    Case("libunbound", python("with_libunbound"), "old", Expected("stale", "direct", ONCE, RESTART_ALONE), FIELD),
    Case(
        "nginx-beside-dnsmasq",
        nginx(8034, AT_EACH_REQUEST, LOCAL),
        "old",
        Expected("unlisted", "direct", "has not listed since", f"look for {LOCAL} in its own configuration"),
        EMPTIED,
    ),
]
SLOW = [
    Case(
        "twisted",
        python("with_twisted"),
        "both",  # the old one until it looks, the new one from then on
        Expected("current", "direct", "lists", "^nothing to do$"),
        TWISTED,
        final_seconds=90,
        early=EARLY_SECONDS,
        meanwhile=LOOKS_EACH_MINUTE,
    ),
]
