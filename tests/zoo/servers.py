"""Servers with a resolver of their own, or glibc's: nginx, Apache httpd, HAProxy, Squid; all in the foreground."""

from __future__ import annotations

import signal
from pathlib import Path

from exporter.demo.lab import NEW_ANSWER, OLD, Program, World
from tests.support.lab_cgroups import Cgroups
from tests.zoo.case import ONCE, Case, Expected, Site, Start
from tests.zoo.driving import drive, reconfigure

THIRD = "192.168.122.90"
JAIL = "/run/jail"

NGINX = """
daemon off; user root; worker_processes 1; pid /run/{name}.pid; error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path /run/nginx-body; proxy_temp_path /run/nginx-proxy; fastcgi_temp_path /run/nginx-fastcgi;
    uwsgi_temp_path /run/nginx-uwsgi; scgi_temp_path /run/nginx-scgi;
    server {{ listen 127.0.0.1:{port}; {location} }}
}}
"""
AT_EACH_REQUEST = """
        resolver {nameserver} valid=1s ipv6=off; resolver_timeout 1s;
        location / {{ set $upstream "$arg_host.{name}"; proxy_pass http://$upstream:1/; }}
"""
AT_THE_START = "location / {{ proxy_pass http://{name}:1/; }}"

APACHE = """
LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
ServerRoot /run/apache
PidFile {directory}/pid
Mutex file:{directory}
Listen 127.0.0.1:{port}
ServerName localhost
User www-data
Group www-data
StartServers 1
MinSpareServers 1
MaxSpareServers 1
HostnameLookups On
ErrorLog /dev/null
CustomLog /dev/null "%h"
DocumentRoot {directory}
"""

HAPROXY = """
global
    {chroot}
    stats socket /run/{name}.sock
defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s
resolvers file
    parse-resolv-conf
    resolve_retries 1
    timeout resolve 200ms
    timeout retry 200ms
    hold valid 200ms
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    server-template server 1 {name}:80 check inter 60000 resolvers file init-addr none
"""

SQUID = """
http_port 127.0.0.1:{port}
http_access allow all
cache deny all
access_log none
cache_log /run/squid/cache.log
cache_store_log none
pid_filename none
pinger_enable off
coredump_dir /run/squid
positive_dns_ttl 1 second
negative_dns_ttl 1 second
shutdown_lifetime 0 seconds
cache_effective_user proxy
"""


def nginx(port: int, location: str, nameserver: str = "") -> Start:
    """Run nginx as a proxy for names that it looks up itself."""

    def start(world: World, name: str) -> Program:
        place = location.format(name=name, nameserver=nameserver)
        configuration = write(world, f"/run/{name}.conf", NGINX.format(name=name, port=port, location=place))
        program = world.start(["nginx", "-c", configuration])
        drive(world, "knock", str(port), "/?host=h{n}", "127.0.0.1")
        return program

    return start


def apache(port: int, network: str, env: dict[str, str] | None = None) -> Start:
    """Run httpd with HostnameLookups: it looks up the name of each client, by its address."""

    def start(world: World, name: str) -> Program:
        directory = f"/run/apache-{port}"
        world.run(["install", "-d", "-o", "www-data", "/run/apache", directory])
        configuration = write(world, f"/run/{name}.conf", APACHE.format(directory=directory, port=port))
        program = world.start(["apache2", "-D", "FOREGROUND", "-f", configuration], env)
        drive(world, "knock", str(port), "/", f"{network}.{{n}}")
        return program

    return start


def haproxy(port: int, *options: str, chroot: str = "", unit: str = "") -> Start:
    """Run HAProxy with a server that it looks up by what resolv.conf says, every 200 ms."""

    def start(world: World, name: str) -> Program:
        text = HAPROXY.format(name=name, port=port, chroot=f"chroot {chroot}" if chroot else "")
        if chroot:
            world.path(chroot).mkdir(exist_ok=True)
        command = ["haproxy", "-f", write(world, f"/run/{name}.conf", text), *options]
        return world.start(CGROUPS.within(f"system.slice/{unit}", command) if unit else command)

    return start


def squid(world: World, name: str) -> Program:
    """Run Squid, and fetch from names that it has to look up."""
    world.run(["install", "-d", "-o", "proxy", "/run/squid"])
    program = world.start(["squid", "-N", "-f", write(world, f"/run/{name}.conf", SQUID.format(port=8031))])
    drive(world, "knock", "8031", f"http://h{{n}}.{name}/", "127.0.0.1")
    return program


def write(world: World, path: str, text: str) -> str:
    """Write a file of the world's; gives its path there."""
    place: Path = world.path(path)
    place.write_text(text)
    return path


def serve_third(world: World) -> None:
    """Let the third nameserver answer, which no file lists."""
    world.nameserver(THIRD, {"hat.com": NEW_ANSWER})


WITH_THIRD = Site("with a third", addresses=(THIRD,), prepare=serve_third)
SERVERS = Site("servers")
CGROUPS = Cgroups()
OF_UNITS = Site("servers of units", surround=lambda: CGROUPS)
APACHES = Site("apaches")

PINNED = Expected(
    "stale",
    "direct",
    r"^it and its workers sent \d+ queries to \S+ after .*; it never read the file: its own configuration names the",
    rf"^look for {OLD} in its own configuration, then restart nginx",
)
READ_ONCE = Expected("stale", "direct", r"it has not re-read the file since generation 1$", r"^restart [^;]*$")
# Squid looks its user up as it starts, and if a client is there at once it queries within a second: by the contract's
# rule that is the way of NSS, until it has left nscd's socket alone for long enough.
STARTED = Expected(
    "stale", "nss|direct", r"it has not re-read the file since generation 1$", r"^reload squid \(pid \d+\): kill -HUP"
)
CASES = [
    Case("nginx", nginx(8001, AT_EACH_REQUEST, OLD), "old", PINNED, SERVERS, comm="nginx", cured=False),
    Case(
        "nginx-third",
        nginx(8002, AT_EACH_REQUEST, THIRD),
        "nobody",
        Expected(
            "unlisted",
            "direct",
            rf"queries {THIRD}, which \S+ has not listed since resolvtrace started$",
            rf"look for {THIRD} in its own",
        ),
        WITH_THIRD,
        comm="nginx",
    ),
    Case(
        "nginx-at-start",
        nginx(8003, AT_THE_START),
        "nobody",
        Expected(
            "quiet",
            "nss",
            r"^has queried nobody since /etc/resolv\.conf dropped it \(generation 2\), and has not re-read the file",
            r"^check again after its next lookup, or reload nginx \(pid (\d+)\): kill -HUP \1$",
        ),
        SERVERS,
        comm="nginx",
        cure=reconfigure(signal.SIGHUP),
    ),
    Case(
        "apache",
        apache(8011, "127.0.1"),
        "new",
        Expected("current", "nss", r"lists, and checks the file before it queries", r"^nothing to do$"),
        APACHES,
        comm="apache2",
        zone="1.0.127.in-addr.arpa",
    ),
    Case(
        "apache-no-reload",
        apache(8012, "127.0.2", {"RES_OPTIONS": "no-reload"}),
        "old",
        Expected(
            "stale",
            "nss",
            r"it has not re-read the file since generation 1$",
            r"^restart .*; or start nscd: its getaddrinfo\(\) calls switch over within 100 lookups$",
        ),
        APACHES,
        comm="apache2",
        zone="2.0.127.in-addr.arpa",
    ),
    Case("haproxy", haproxy(8021, "-db"), "old", READ_ONCE, SERVERS),
    Case("haproxy-chroot", haproxy(8022, "-db", chroot=JAIL), "old", READ_ONCE, SERVERS),
    Case(
        "haproxy-reload",
        haproxy(8023, "-W", "-db", unit="haproxy.service"),
        "old",
        Expected("stale", "direct", ONCE, r"^reload it: systemctl reload-or-restart haproxy\.service$"),
        OF_UNITS,
        cure=reconfigure(signal.SIGUSR2),
    ),
    Case("squid", squid, "old", STARTED, SERVERS, cure=reconfigure(signal.SIGHUP)),
]
