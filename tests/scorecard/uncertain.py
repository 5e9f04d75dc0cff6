"""Rows about what cannot be known for certain: what is shown of it all the same, and what is not."""

from __future__ import annotations

from tests.scorecard.network import ELSEWHERE, FAR, LINK, OTHER_PORT, OWN_LINK_LOCAL, REWRITTEN
from tests.scorecard.row import CHILDS, COUNT, TCP, Asked, Row, sends
from tests.scorecard.sockets import OWN

_WHO_CONNECTED = "estimate; for the process that connected: who wrote is not known"

UNCERTAIN = (
    Row(
        "a TCP connection from before fork(), used by both",
        ("send_mixed", "fork-tcp", "{v4}"),
        (Asked("{v4}", COUNT + CHILDS, "tcp"),),
        other=(),
        received=COUNT + CHILDS,
        remark=_WHO_CONNECTED,
    ),
    Row(
        "a TCP connection passed over SCM_RIGHTS",
        ("send_shared", "pass-tcp", "{v4}"),
        TCP,
        other=(),
        remark=_WHO_CONNECTED,
    ),
    Row(
        "a TCP connection from before the daemon and fork()",
        ("send_mixed", "fork-hold", "{v4}"),
        TCP,
        other=(),
        early=True,
        remark="estimate; for the lowest pid of those that share the resolver state",
    ),
    Row(
        "a TCP connection from before the daemon, held by two programs",
        ("send_shared", "leave", "{v4}"),
        (),
        other=(),
        early=True,
        lost=COUNT,
        remark="not guessed: counted in resolvtrace_lost_total, tcp_unattributed",
    ),
    Row(
        "TCP, all queries with one write()",
        ("send_many", "pipelined", "{v4}"),
        (Asked("{v4}", 1, "tcp"),),
        remark="estimate: one segment, however many queries are in it",
    ),
    Row(
        "TCP, length and query with a write() each",
        ("send_many", "split", "{v4}"),
        (Asked("{v4}", 2 * COUNT, "tcp"),),
        remark="estimate: two segments each",
    ),
    Row(
        "UDP GSO, unconnected, to an address rewritten by NAT",
        ("send_mixed", "segmented", REWRITTEN),
        (Asked(REWRITTEN, 1),),
        remark="one call is counted, not the datagrams that the kernel cuts it into",
    ),
    Row(
        "IPv6 link-local, the machine's own, sendto()",
        sends("sendto", OWN),
        (Asked(f"{OWN_LINK_LOCAL}%lo"),),
        remark="for the interface that it leaves by",
    ),
    Row("raw socket (SOCK_RAW)", ("send_raw", "ip", "{v4}"), (), remark="not seen"),
    Row("packet socket (AF_PACKET)", ("send_raw", "packet", FAR, LINK), (), remark="not seen"),
    Row("a port other than 53 and 853", (*sends("sendto", ELSEWHERE), f"{OTHER_PORT}"), (), remark="not seen"),
)
