"""Mail servers: sendmail as it comes, in the four cases of the original report, and Postfix."""

from __future__ import annotations

from lab_sendmail import Sendmail

from exporter.lab import Program, World
from zoo.case import Case, Expected, Site
from zoo.driving import drive
from zoo.postfix import QUEUE, postfix


def sendmail(world: World, name: str) -> Program:
    """Run sendmail in the foreground, and hand in mails: it looks the MX of each up in a child that it forks."""
    server = Sendmail(world)
    program = server.start("-bD")
    drive(world, "mails", name, seconds=0.5)
    return program


def start_nscd(world: World) -> None:
    """Let nscd answer whoever asks it."""
    world.start_nscd()


WITHOUT_NSCD = Site("mail")
WITH_NSCD = Site("mail with nscd", prepare=start_nscd)
POSTFIX = Site("postfix")
POSTFIX_CHROOT = Site("postfix in its chroot", is_host=True)
# Those that look up users or groups with nscd's socket absent, and ask within a second, count as `nss`.
PATHS = "nss|direct"
READ_ONCE = r"^with its workers asked \S+ \d+ times .*; it read the file at generation 1 and never since$"
CASES = [
    Case(
        "sendmail",
        sendmail,
        "old",
        Expected("stale", PATHS, READ_ONCE, r"^restart sendmail-mta \(pid \d+\)"),
        WITHOUT_NSCD,
        comm="sendmail-mta",
    ),
    Case(
        "sendmail-nscd",
        sendmail,
        "both",  # itself for MX; through nscd, which follows the file, for the addresses of those
        Expected("stale", "mixed", READ_ONCE, r"^restart sendmail-mta .*, so nscd cannot help$"),
        WITH_NSCD,
        comm="sendmail-mta",
    ),
    Case(
        "postfix",
        postfix(chroot=False),
        "old",
        Expected("stale", PATHS, r"it read the file at generation 1 and never since$", r"^restart smtp \(pid \d+\)"),
        POSTFIX,
        comm="smtp",
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
