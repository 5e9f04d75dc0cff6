"""Debian's Postfix in a world: unpacked, not installed, since its package would replace sendmail's."""

from __future__ import annotations

from exporter.demo.lab import Program, World
from tests.zoo.case import Start
from tests.zoo.driving import drive
from tests.zoo.extracted import add_user, is_in_release, unpack

QUEUE = "/run/postfix-queue"
DATA = "/run/postfix-data"
UID = 64900
QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace")
MAIN = """
compatibility_level = 3.6
myhostname = mx.example
mydestination =
alias_maps =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_peername_lookup = no
queue_directory = {queue}
data_directory = {data}
daemon_directory = {tree}/usr/lib/postfix/sbin
command_directory = {tree}/usr/sbin
shlib_directory = no
meta_directory = /etc/postfix
maillog_file = /run/postfix.log
maillog_file_prefixes = /run
import_environment = LD_LIBRARY_PATH
max_use = 10000
"""
# master(5). One process of smtp(8), so that it is the same one that queries before the change and after it: after a
# hundred mails (max_use) it would be another.
MASTER = """
smtp inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - {chroot} - 1 smtp
retry unix - - n - - error
error unix - - n - - error
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""


def postfix(*, chroot: bool) -> Start:
    """Run Postfix and hand in mails, which smtp(8) looks up: in a chroot, as Debian does it, or not.

    smtp(8) queries with a resolver state that it owns (Postfix 3.6 RELEASE_NOTES), and exits after 100 mails (max_use).
    """

    def start(world: World, name: str) -> Program:
        tree = unpack("postfix").resolve()
        if not world.path("/etc/postfix").exists():
            _set_up(world)
            drive(world, "mails", name, seconds=0.5)
        etc = world.path("/etc/postfix")
        (etc / "main.cf").write_text(MAIN.format(queue=QUEUE, data=DATA, tree=tree))
        (etc / "master.cf").write_text(MASTER.format(chroot="y" if chroot else "n"))
        # Debian's start script makes the copies at each start (configure-instance.sh).
        copied = ("resolv.conf", "services", "hosts", "nsswitch.conf")
        world.run(["cp", "-a", *(f"/etc/{file}" for file in copied), f"{QUEUE}/etc"])
        libraries = [tree / "usr/lib/postfix"]
        if is_in_release("libtlsrpt0"):  # of which Postfix is built since 3.10
            libraries.append(unpack("libtlsrpt0").resolve() / "usr/lib/x86_64-linux-gnu")
        environment = {"LD_LIBRARY_PATH": ":".join(map(str, libraries))}
        return world.start([tree / "usr/lib/postfix/sbin/master", "-d", "-c", "/etc/postfix"], environment)

    return start


def _set_up(world: World) -> None:
    """Make what the package's installation would: its user and groups, its queue."""
    add_user(world, "postfix", UID, "postdrop")
    world.run(["install", "-d", "/etc/postfix", QUEUE, f"{QUEUE}/pid", f"{QUEUE}/etc"])
    world.run(["install", "-d", "-o", "postfix", DATA, *(f"{QUEUE}/{queue}" for queue in QUEUES)])
    world.run(["install", "-d", "-o", "postfix", "-g", "postdrop", "-m", "730", f"{QUEUE}/maildrop"])
    world.run(["install", "-d", "-o", "postfix", "-g", "postdrop", "-m", "710", f"{QUEUE}/public"])
