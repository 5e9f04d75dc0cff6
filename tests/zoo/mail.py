"""Mail servers: sendmail as it comes, in the four cases of the original report, and Postfix."""

from __future__ import annotations

import signal

from exporter.demo.lab import Program, World
from tests.support.lab_sendmail import Sendmail
from tests.zoo.case import Case, Expected, Site
from tests.zoo.driving import drive, reconfigure
from tests.zoo.postfix import QUEUE, postfix


def sendmail(world: World, name: str) -> Program:
    """Run sendmail in the foreground, and hand in mails: it looks the MX of each up in a child that it forks."""
    server = Sendmail(world)
    program = server.start("-bD")
    drive(world, "mails", name, seconds=0.5)
    return program


def start_nscd(world: World) -> None:
    """Let nscd answer its clients."""
    world.start_nscd()


WITHOUT_NSCD = Site("mail")
WITH_NSCD = Site("mail with nscd", prepare=start_nscd)
POSTFIX = Site("postfix")
POSTFIX_CHROOT = Site("postfix in its chroot", is_host=True)
# Those that look up users or groups with nscd's socket absent, and query within a second, count as `nss`.
PATHS = "nss|direct"
READ_ONCE = r"^it and its workers sent \d+ queries to \S+ after .*; it has not re-read the file since generation 1$"
CASES = [
    Case(
        "sendmail",
        sendmail,
        "old",
        Expected(
            "stale",
            PATHS,
            READ_ONCE,
            r"^restart sendmail-mta \(pid \d+\); nscd cannot help: it queries for more than addresses",
        ),
        WITHOUT_NSCD,
        comm="sendmail-mta",
    ),
    Case(
        "sendmail-nscd",
        sendmail,
        "both",  # itself for MX; through nscd, which follows the file, for the addresses of those
        Expected(
            "stale", "mixed", READ_ONCE, r"^restart sendmail-mta .*; it queries nameservers directly, bypassing nscd$"
        ),
        WITH_NSCD,
        comm="sendmail-mta",
    ),
    Case(
        "postfix",
        postfix(chroot=False),
        "old",
        Expected(
            "stale",
            PATHS,
            r"it has not re-read the file since generation 1$",
            r"^reload smtp \(pid \d+\): postfix reload; nscd cannot help",
        ),
        POSTFIX,
        comm="smtp",
        cure=reconfigure(signal.SIGHUP),
    ),
    Case(
        "postfix-chroot",
        postfix(chroot=True),
        "old",
        Expected(
            "outdated",
            PATHS,
            rf"its own copy, {QUEUE}/etc/resolv\.conf, still lists and the host's resolv\.conf does not",
            rf"^refresh {QUEUE}/etc/resolv\.conf, then restart smtp",
        ),
        POSTFIX_CHROOT,
        comm="smtp",
    ),
]
