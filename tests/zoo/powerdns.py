"""PowerDNS: the recursor, which forwards where its configuration says, and the authoritative server's stub resolver."""

from __future__ import annotations

from exporter.demo.lab import OLD, Program, World
from tests.zoo.case import EARLY_SECONDS, LOOKS_EACH_MINUTE, Case, Expected, Site
from tests.zoo.driving import drive

RECURSOR, SERVER = "127.0.0.22", "127.0.0.23"
RECURSOR_OPTIONS = (
    "--daemon=no",
    "--disable-syslog",
    "--config-dir=/run",
    "--socket-dir=/run",
    "--threads=1",
    "--security-poll-suffix=",
    "--dnssec=off",
    "--disable-packetcache",
    "--max-cache-entries=0",
)
SERVER_OPTIONS = (
    "--daemon=no",
    "--guardian=no",
    "--disable-syslog",
    "--config-dir=/run/pdns",
    "--socket-dir=/run/pdns",
    "--setuid=nobody",
    "--security-poll-suffix=",
    "--cache-ttl=0",
    "--query-cache-ttl=0",
    "--launch=bind",
    "--bind-config=/run/pdns/named.conf",
    "--lua-prequery-script=/run/pdns/lab.lua",
)
ZONES = 'zone "lab.example" { type master; file "/run/pdns/zone"; };\n'
ZONE = "$TTL 60\n@ IN SOA ns.lab.example. lab.lab.example. 1 1 1 1 1\n@ IN NS ns.lab.example.\nns IN A 127.0.0.23\n"
SCRIPT = """
local number = 0
function prequery(packet)
    number = number + 1
    resolve('h' .. number .. '.{name}', 1)
    return false
end
"""


def recursor(world: World, name: str) -> Program:
    """Run PowerDNS Recursor, and let it forward everything to the old nameserver: its configuration says so."""
    upstream = (f"--local-address={RECURSOR}", f"--forward-zones-recurse=.={OLD}")
    program = world.start(["pdns_recursor", *RECURSOR_OPTIONS, *upstream])
    drive(world, "query", RECURSOR, name)
    return program


def server(world: World, name: str) -> Program:
    """Run PowerDNS Authoritative Server; a script of its own looks a name up by the stub resolver for each query.

    That looks every minute whether resolv.conf has changed (pdns/stubresolver.cc, stubCheckUpdatedResolvConf).
    """
    world.path("/run/pdns").mkdir(exist_ok=True)
    for file, text in (("named.conf", ZONES), ("zone", ZONE), ("lab.lua", SCRIPT.format(name=name))):
        world.path(f"/run/pdns/{file}").write_text(text)
    program = world.start(["pdns_server", *SERVER_OPTIONS, f"--local-address={SERVER}"])
    drive(world, "query", SERVER, "lab.example")
    return program


CASES = [
    Case(
        "pdns-recursor",
        recursor,
        "old",
        Expected("unlisted", "direct", "it is not known where it takes its upstreams from$", "^nothing to do"),
        Site("PowerDNS Recursor"),
    ),
]
SLOW = [
    Case(
        "pdns-server",
        server,
        "both",  # the old one until it looks, the new one from then on
        Expected("current", "direct", "lists", "^nothing to do$"),
        Site("PowerDNS"),
        final_seconds=90,
        early=EARLY_SECONDS,
        meanwhile=LOOKS_EACH_MINUTE,
    ),
]
