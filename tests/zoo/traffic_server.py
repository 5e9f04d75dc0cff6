"""Apache Traffic Server: it looks its user up, and queries nameservers by a resolver of its own."""

from __future__ import annotations

from exporter.demo.lab import Program, World
from tests.zoo.case import ONCE, RESTART_ALONE, Case, Expected, Site
from tests.zoo.driving import drive

PORT = 8041
RECORDS = f"""
CONFIG proxy.config.local_state_dir STRING /run/trafficserver
CONFIG proxy.config.log.logfile_dir STRING /run/trafficserver
CONFIG proxy.config.log.logging_enabled INT 0
CONFIG proxy.config.admin.user_id STRING trafficserver
CONFIG proxy.config.http.server_ports STRING {PORT}
CONFIG proxy.config.http.cache.http INT 0
CONFIG proxy.config.url_remap.remap_required INT 0
CONFIG proxy.config.reverse_proxy.enabled INT 0
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 1
CONFIG proxy.config.hostdb.timeout INT 1
CONFIG proxy.config.hostdb.storage_size INT 4M
"""


def traffic_server(world: World, name: str) -> Program:
    """Run it below its manager, as Debian's unit does, and fetch from names that it has to look up."""
    world.run(["install", "-d", "-o", "trafficserver", "/run/trafficserver"])
    world.path("/etc/trafficserver/records.config").write_text(RECORDS)
    world.path("/etc/trafficserver/storage.config").write_text("")
    program = world.start(["traffic_manager"])
    drive(world, "knock", str(PORT), f"http://h{{n}}.{name}/", "127.0.0.1")
    return program


# Its first query is for its own host's name, by getaddrinfo(3), which tries nscd first.
BIG = [
    Case(
        "traffic-server",
        traffic_server,
        "old",
        Expected("stale", "nss|direct", ONCE, RESTART_ALONE),
        Site("Traffic Server"),
    ),
]
