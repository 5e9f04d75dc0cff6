"""Where programs see another resolv.conf than the host's, or the host's from elsewhere: units, containers, chroots.

Their world is the host to the daemon: outdated is who has what the host's file said before.
"""

from __future__ import annotations

from exporter.demo.lab import Program, World
from tests.support.building import build
from tests.support.lab_cgroups import Cgroups
from tests.zoo.case import Case, Expected, Site, Start

CGROUPS = Cgroups()
HOST = Site("host", is_host=True, surround=lambda: CGROUPS)
NO_RELOAD = {"RES_OPTIONS": "no-reload"}
CONTAINER = "0123456789abcdef" * 4
SHORT_ID = CONTAINER[:12]
JAIL = "/run/jail"

ALONE = ("unshare", "--mount", "--propagation", "private")
LOOP = 'exec "$0" "$@"'
# systemd.exec(5), PrivateTmp=: a mount namespace of the unit's own, in which /etc is the host's. Not over /tmp here: a
# checkout may lie there.
PRIVATE_TMP = f"mkdir -p /run/private; mount -n -t tmpfs private /run/private; {LOOP}"
# A unit with BindReadOnlyPaths=/etc/resolv.conf. rename(2) over a file that is a mount point elsewhere takes the mount
# away (Linux 3.18, detach_mounts()), so it follows.
KEPT = f"mount -n --bind /etc/resolv.conf /etc/resolv.conf; {LOOP}"
# A container: a root of its own, over whose etc/resolv.conf the host's file is mounted, as engines do. util-linux of
# Debian 14 has no pivot_root(8).
CONTAINED = """
mkdir -p /run/container; mount -n -t tmpfs container /run/container; cd /run/container
mkdir etc usr proc; cp -a /etc/nsswitch.conf /etc/hosts etc; : >etc/resolv.conf
mount -n --rbind /usr usr; mount -n -t proc proc proc
for link in bin sbin lib lib64; do ln -s usr/$link $link; done
cp "$0" loop; mount -n --bind /etc/resolv.conf etc/resolv.conf
mkdir old; /usr/bin/python3 -c 'import ctypes, sys; sys.exit(ctypes.CDLL(None).pivot_root(b".", b"old"))'
umount -l /old
exec /loop "$@"
"""
# A chroot with a copy of the file, which nobody refreshes (Postfix, chroot=y).
JAILED = f"""
mkdir -p {JAIL}/etc; cp -a /etc/resolv.conf /etc/nsswitch.conf {JAIL}/etc; cp "$0" {JAIL}/loop
cd {JAIL}; cp --parents -L $(ldd "$0" | grep -o '/[^ ]*') .
exec chroot {JAIL} /loop "$@"
"""


def behind(script: str, *, env: dict[str, str] | None = None, cgroup: str | None = None) -> Start:
    """Look the name up with getaddrinfo(3) from where a script leads that runs in a mount namespace of its own."""

    def start(world: World, name: str) -> Program:
        argv = [*ALONE, "sh", "-ec", script, str(build("getaddrinfo_loop")), name, "200"]
        return world.start(CGROUPS.within(cgroup, argv) if cgroup else argv, env)

    return start


FOLLOWS = Expected("current", "nss", r"queries .*, which /etc/resolv\.conf lists", r"^nothing to do$")
CASES = [
    Case("private-tmp", behind(PRIVATE_TMP), "new", FOLLOWS, HOST),
    Case(
        "private-tmp-no-reload",
        behind(PRIVATE_TMP, env=NO_RELOAD, cgroup="system.slice/private.service"),
        "old",
        Expected(
            "stale",
            "nss",
            r"after /etc/resolv\.conf dropped it \(generation 2\); it has not re-read the file since generation 1$",
            r"^restart it: systemctl restart private\.service; or start nscd: its getaddrinfo\(\) calls switch over",
        ),
        HOST,
    ),
    Case("kept-mounted", behind(KEPT), "new", FOLLOWS, HOST),
    Case(
        "container",
        behind(CONTAINED, cgroup=f"system.slice/docker-{CONTAINER}.scope"),
        "old",
        Expected(
            "outdated", "nss", r"its own copy of resolv\.conf still lists", rf"^restart container {SHORT_ID}: its copy"
        ),
        HOST,
    ),
    Case(
        "chroot",
        behind(JAILED),
        "old",
        Expected(
            "outdated",
            "nss",
            rf"its own copy, {JAIL}/etc/resolv\.conf, still lists and the host's resolv\.conf does not",
            rf"^refresh {JAIL}/etc/resolv\.conf, then restart loop",
        ),
        HOST,
    ),
]
