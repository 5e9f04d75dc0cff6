"""Short histories written by hand: each is about one thing, and many are played side by side.

A story has three parts, with a tick or a restart of the daemon between them. It is compared after the third part, and
again after resolv.conf went from A to B and everybody went on with A. `p5 query A 2` is `p5.query("A", 2)`.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.campaign.steps import Step

__all__ = ["ACROSS_RESTARTS", "READS_OF_ANOTHER_VIEW", "WITHIN_A_TICK", "story"]

BEGIN = "p1 start, p1 read, p1 query A, p5 start, p5 read, p5 query A 2"
LAST = "p5 query A 3, p7 query A 3, p8 query A 2"
DEFAULTS: dict[str, tuple[str | int, ...]] = {"read": ("openat",), "query": (1, "sendto")}

WITHIN_A_TICK = {
    "a reader's child queries before it reads": "p5 fork p7, p7 fork p8 | p8 query A 2, p7 read, p7 query A |",
    "a reader's child queries after it reads": "p5 fork p7, p7 fork p8 | p7 read, p7 query A, p8 query A 2 |",
    "a reader's child queries a tick before": "p5 fork p7, p7 fork p8, p8 query A 2 | p7 read, p7 query A | p5 exit",
    "all of it at once": "| p5 fork p7, p7 fork p8, p8 query A 2, p7 read, p7 query A |",
    "an heir reads": "p5 fork p7 | p5 exit, p7 read, p7 query A |",
    "an heir reads a tick later": "p5 fork p7 | p5 exit | p7 read, p7 query A",
    "an heir queries, then reads": "p5 fork p7 | p5 exit, p7 query A, p7 read, p7 query A |",
    "one of two heirs reads": "p5 fork p7, p5 fork p8 | p5 exit, p7 read, p7 query A |",
    "one of two heirs reads a tick later": "p5 fork p7, p5 fork p8 | p5 exit | p7 read, p7 query A",
    "forked, bequeathed and read": "| p5 fork p7, p5 exit, p7 read, p7 query A |",
    "an owner execs, and its heir reads": (
        "p5 fork p7, p7 fork p8, p8 query A 2 | p5 exec, p7 read, p7 query A, p8 query A |"
    ),
    "an owner execs and reads": "p5 fork p7, p7 fork p8, p8 query A 2 | p5 exec, p5 read, p5 query A | p8 query A 3",
    "an owner reads, its child is silent": "p5 fork p7 | p5 read, p5 query A |",
    "an owner reads, its child queried": "p5 fork p7, p7 query A 2 | p5 read, p5 query A | p7 query A 3",
    "an owner reads, its grandchild queried": (
        "p5 fork p7, p7 fork p8, p8 query A 2 | p5 read, p5 query A | p8 query A 3"
    ),
    "an owner exits, its grandchild queried": "p5 fork p7, p7 fork p8, p8 query A 2 | p5 exit | p8 query A 3",
    "an owner exits after its grandchild's parent": "p5 fork p7, p7 fork p8, p7 exit | p5 exit | p8 query A",
    "a silent heir exits": "p5 fork p7, p7 fork p8 | p5 exit | p7 exit",
    "a silent heir execs": "p5 fork p7, p7 fork p8 | p5 exit | p7 exec",
    "a long line whose topmost exit": (
        "p5 fork p7, p7 fork p8, p7 exit, p8 fork p9, p9 fork p10, p10 fork p11, p11 fork p12, p12 fork p13, "
        "p13 query A| p5 exit, p8 exit | p13 query A"
    ),
    "a worker reads, then its owner exits": "p5 fork p7, p7 query A 2 | p7 read, p7 query A | p5 exit",
}
"""What happens in the second part happens within one tick, mostly."""

READS_OF_ANOTHER_VIEW = {
    f"{move.split()[1]} {how} {fork}": (
        f"| p5 {move}, p5 read {how}, p5 query C, p5 {fork} p7, p7 query C 3 | p7 query C"
    )
    for move in ("chroot jail1", "mount_etc AC")
    for how in ("openat", "dirfd", "relative", "root", "thread")
    for fork in ("fork", "fork_twice")
} | {"mounts are unshared again": "| p5 mount_etc AC, p5 read, p5 query C, p5 unshare_mounts | p5 query C"}

ACROSS_RESTARTS = {
    "nothing else": "||",
    "the main thread is gone": "p5 leave_main_thread ||",
    "the main thread has gone since": "| p5 leave_main_thread |",
    "the main thread of an owner is gone": "p5 leave_main_thread, p5 fork p7 ||",
    "a silent child": "p5 fork p7 ||",
    "a silent grandchild": "p5 fork p7, p7 fork p8 ||",
    "a silent child of a parent that is gone": "p5 fork_twice p7 ||",
    "a silent heir": "p5 fork p7, p5 exit ||",
    "an heir from then on": "p5 fork p7 || p5 exit",
    "an heir from then on, double-forked": "p5 fork_twice p7 || p5 exit",
    "an heir from then on, whose parent is gone": "p5 fork p7, p7 fork p8, p7 exit || p5 exit",
    "an owner that exec'ed": "p5 fork p7, p7 query A, p5 exec, p5 query A ||",
    "an owner that execs in the middle of a tick": "p5 fork p7, p7 query A | p5 exec, p5 query A | p7 query A",
    "a reader under an owner": "p5 fork p7, p7 read, p7 query A 3 tcp ||",
    "a child that exec'ed its parent's program": "p5 fork p7, p7 exec, p7 query A 2 ||",
    "a silent parent of one that exec'ed its program": "p5 fork p7, p7 fork p8, p8 exec, p8 query A 2 ||",
    "a view of its own": "p5 mount_etc AC, p5 read, p5 query C ||",
    "a view of its own, and a child": "p5 mount_etc AC, p5 read, p5 query C, p5 fork p7 ||",
    "a network of its own": "p5 unshare_network, p5 query A 2 || p5 query A 2",
    "queries in the middle of a tick": "p5 fork p7 | p5 query A 2, p7 query A 2 tcp |",
    "a read in the middle of a tick": "p5 fork p7 | p7 query A 2, p7 read, p7 query A 2 |",
    "a check by one that never read": "p7 start, p7 query A, p7 stat, p7 query A ||",
    "an exec in the middle of a tick": "p5 fork p7 | p7 exec, p7 read, p7 query A 2 |",
    "an exit in the middle of a tick": "p5 fork p7 | p7 query A 2, p5 exit, p7 query A 2 |",
    "a job in the middle of a tick": "| p5 fork p9, p9 query A 2, p9 exit |",
}


def story(text: str, between: Sequence[Step] = (("settle",),)) -> list[Step]:
    """Give the steps of a story; between its second and its third part there is a tick, or what is given."""
    one, two, three = (_part(part) for part in text.split("|"))
    return [
        ("listed", "A"),
        ("jail", "jail1", "AC"),
        *_part(BEGIN),
        ("settle",),
        *one,
        ("settle",),
        *two,
        *between,
        *three,
        ("check",),
        ("write", "main", "B", "rename"),
        ("noticed",),
        ("past_the_grace",),
        *_part(LAST),
        ("check",),
    ]


def _part(text: str) -> list[Step]:
    return [_step(*sentence.split()) for sentence in text.split(",") if sentence.strip()]


def _step(who: str, word: str, *rest: str) -> Step:
    arguments: list[str | int] = [int(one) if one.isdigit() else one for one in rest]
    if word == "query":
        _, *given = arguments
        arguments = [arguments[0], *given, *DEFAULTS["query"][len(given) :]]
    elif word == "read" and not arguments:
        arguments = list(DEFAULTS["read"])
    return (word, who, *arguments)
