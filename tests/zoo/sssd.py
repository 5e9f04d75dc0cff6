"""SSSD: its back end finds the directory by SRV records, with c-ares; its monitor tells it when resolv.conf changes.

Its packages are unpacked, not installed, since libnss-sss would enter itself in /etc/nsswitch.conf.
"""

from __future__ import annotations

from exporter.demo.lab import Program, World
from tests.zoo.case import Case, Expected, Site
from tests.zoo.extracted import unpack

# Of Debian 12.
PACKAGES = (
    "sssd-common",
    "sssd-ldap",
    "sssd-krb5-common",
    "libbasicobjects0",
    "libcollection4",
    "libdhash1",
    "libini-config5",
    "libldb2",
    "libnfsidmap1",
    "libnss-sss",
    "libpath-utils1",
    "libref-array1",
    "libsss-certmap0",
    "libsss-idmap0",
    "libsss-nss-idmap0",
    "libtalloc2",
    "libtevent0",
)
# An answer without a server in it makes it try again with the next lookup of a user, some seconds later.
CONFIGURATION = """
[sssd]
domains = lab
services = nss
[domain/lab]
id_provider = ldap
auth_provider = none
ldap_uri = _srv_
dns_discovery_domain = {name}
offline_timeout = 1
offline_timeout_max = 1
offline_timeout_random_offset = 0
"""
DIRECTORIES = "db pipes/private mc pubconf/krb5.include.d gpo_cache keytabs secrets deskprofile"
ASK = "n=0; while :; do n=$((n + 1)); timeout 2 getent -s sss passwd u$n; sleep 0.2; done"


def sssd(world: World, name: str) -> Program:
    """Run SSSD with a directory that it has to find, and look users up who are in it or not."""
    _lay_over_usr(world)
    state = f"mount -n -t tmpfs state /var/lib; cd /var/lib; mkdir sss; cd sss; mkdir -p {DIRECTORIES}"
    world.run(["sh", "-ec", f"{state}; mount -n -t tmpfs log /var/log; mkdir /var/log/sssd; mkdir -p /etc/sssd/conf.d"])
    configuration = world.path("/etc/sssd/sssd.conf")
    configuration.touch(mode=0o600)
    configuration.write_text(CONFIGURATION.format(name=name))
    program = world.start(["sssd", "-i", "--logger=stderr"])
    world.start(["sh", "-c", ASK])
    return program


def _lay_over_usr(world: World) -> None:
    """Let the world have what is in the packages where it was built for."""
    trees = [unpack(package).resolve() for package in PACKAGES]
    # On a merged /usr what a package has in /lib belongs there too; a layer may not lie in another.
    layers = [str(tree if (tree / "lib/x86_64-linux-gnu").exists() else tree / "usr") for tree in trees]
    lower = ":".join([*layers, "/usr"])
    world.run(["mount", "-n", "-t", "overlay", "overlay", "-o", f"lowerdir={lower}", "/usr"])


SLOW = [
    Case(
        "sssd",
        sssd,
        "new",
        Expected("current", "direct", "lists", "^nothing to do$"),
        Site("sssd"),
        comm="sssd_be",
        final_seconds=40,
    ),
]
