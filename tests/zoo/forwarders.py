"""Forwarders: dnsmasq, unbound, systemd-resolved. They query on behalf of others, whatever resolv.conf says.

The usual change is from their upstream to the forwarder itself, in which nobody is left behind. They are queried by
programs that know their address, so that they query before the change too.
"""

from __future__ import annotations

import signal

from exporter.demo.lab import OLD, Program, World
from tests.support.tracing import SHORT
from tests.zoo.case import ONCE, RELOAD_BY_HAND, Case, Expected, Site, Start
from tests.zoo.driving import drive, reconfigure
from tests.zoo.extracted import add_user, program_of, unpack
from tests.zoo.glibc import FOLLOWS, getaddrinfo

LOCAL = "127.0.0.1"
STUB = "127.0.0.53"
DNSMASQ = (
    "dnsmasq",
    "--conf-file=/dev/null",
    "--keep-in-foreground",
    "--user=root",
    "--group=root",
    "--pid-file=",
    "--no-hosts",
    "--log-facility=-",
    "--cache-size=0",
    "--bind-interfaces",
    f"--listen-address={LOCAL}",
)
UNBOUND = f"""
server:
  interface: {LOCAL}
  username: ""
  chroot: ""
  directory: "/run"
  pidfile: ""
  use-syslog: no
  logfile: ""
  do-daemonize: no
  module-config: "iterator"
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: {OLD}
"""
RESOLVED = f"[Resolve]\nDNS={OLD}\nLLMNR=no\nMulticastDNS=no\nDNSSEC=no\nCache=no\n"
UPSTREAMS = "/etc/dnsmasq-upstreams"
UID = 64910


def dnsmasq(*options: str) -> Start:
    """Run dnsmasq as a forwarder on 127.0.0.1."""

    def start(world: World, name: str) -> Program:
        program = world.start([*DNSMASQ, *options])
        program.wait_for_line("started, version")
        drive(world, "query", LOCAL, name)
        return program

    return start


def unbound(world: World, name: str) -> Program:
    """Run unbound so that it forwards all to the old nameserver (unbound.conf(5))."""
    world.path("/run/unbound.conf").write_text(UNBOUND)
    program = world.start(["unbound", "-d", "-c", "/run/unbound.conf"])
    drive(world, "query", LOCAL, name)
    return program


def resolved(configuration: str) -> Start:
    """Run systemd-resolved: without D-Bus, which it can do without."""

    def start(world: World, name: str) -> Program:
        world.path("/etc/systemd/resolved.conf").write_text(configuration)
        add_user(world, "systemd-resolve", UID)
        world.run(["install", "-d", "-o", "systemd-resolve", "-g", "systemd-resolve", "/run/systemd/resolve"])
        libraries = unpack("libsystemd-shared") / "usr/lib/x86_64-linux-gnu/systemd"
        program = world.start(
            [program_of("systemd-resolved", "lib/systemd/systemd-resolved")], {"LD_LIBRARY_PATH": str(libraries)}
        )
        drive(world, "query", STUB, name)
        return program

    return start


def give_it_a_link(world: World) -> None:
    """Make an interface beside the loopback one: without, resolved takes the network for down (resolved-link.c)."""
    world.run(["ip", "link", "add", "lab0", "type", "veth", "peer", "name", "lab1"])
    for link in ("lab0", "lab1"):
        world.run(["ip", "link", "set", link, "up"])
    world.run(["ip", "address", "add", "192.0.2.1/24", "dev", "lab0"])


def list_upstreams(world: World) -> None:
    """Write the file that dnsmasq takes its upstreams from."""
    world.path(UPSTREAMS).write_text(f"nameserver {OLD}\n")


TO_DNSMASQ = Site("to dnsmasq", after=f"nameserver {LOCAL}\n{SHORT}")
TO_DNSMASQ_WITH_FILE = Site("to dnsmasq with a file", after=f"nameserver {LOCAL}\n{SHORT}", prepare=list_upstreams)
TO_UNBOUND = Site("to unbound", after=f"nameserver {LOCAL}\n{SHORT}")
TO_RESOLVED = Site("to resolved", after=f"nameserver {STUB}\n{SHORT}", prepare=give_it_a_link)
THROUGH_DNSMASQ = Site("dnsmasq that follows")
THROUGH_DNSMASQ_THAT_READS_ONCE = Site("dnsmasq that reads once")
THROUGH_RESOLVED = Site("resolved that follows", prepare=give_it_a_link)

FORWARDS = Expected(
    "unlisted",
    "direct",
    r"queries \S+ on behalf of others; it is not known where it takes its upstreams from$",
    r"nothing to do",
)
CASES = [
    Case("dnsmasq", dnsmasq("--no-resolv", f"--server={OLD}"), "old", FORWARDS, TO_DNSMASQ),
    Case("to-dnsmasq", getaddrinfo(), "old", FOLLOWS, TO_DNSMASQ),
    Case(
        "dnsmasq-resolv-file",
        dnsmasq(f"--resolv-file={UPSTREAMS}"),
        "old",
        Expected("current", "direct", UPSTREAMS + " lists", r"nothing to do"),
        TO_DNSMASQ_WITH_FILE,
    ),
    Case(
        "dnsmasq-follows",
        dnsmasq(),
        "new",
        Expected("current", "direct", r"/etc/resolv.conf lists", r"nothing to do"),
        THROUGH_DNSMASQ,
    ),
    Case(
        "dnsmasq-no-poll",
        dnsmasq("--no-poll"),
        "old",
        Expected("stale", "direct", ONCE, RELOAD_BY_HAND),
        THROUGH_DNSMASQ_THAT_READS_ONCE,
        cure=reconfigure(signal.SIGHUP),
    ),
    Case("unbound", unbound, "old", FORWARDS, TO_UNBOUND),
    Case("to-unbound", getaddrinfo(), "old", FOLLOWS, TO_UNBOUND),
    Case(
        "resolved",
        resolved(RESOLVED),
        "old",
        Expected("current", "direct", r"/run/systemd/resolve/resolv.conf lists", r"nothing to do"),
        TO_RESOLVED,
    ),
    Case("to-resolved", getaddrinfo(), "old", FOLLOWS, TO_RESOLVED),
    Case(
        "resolved-follows",
        resolved(RESOLVED.replace(f"DNS={OLD}\n", "FallbackDNS=\n")),
        "new",
        Expected("current", "direct", r"lists", r"nothing to do"),
        THROUGH_RESOLVED,
    ),
]
