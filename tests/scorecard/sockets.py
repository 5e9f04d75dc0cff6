"""Rows about how a datagram or a stream is sent, and to what kind of address."""

from __future__ import annotations

from tests.scorecard.network import LINK, LINK_LOCAL, LOSSY, OWN_LINK_LOCAL, REWRITTEN, STUB, TLS, UPSTREAM
from tests.scorecard.proofs import lost_segments
from tests.scorecard.row import COUNT, ESTIMATE, ONE, TCP, Asked, Row, sends

SCOPED, OWN = f"{LINK_LOCAL}%{LINK}", f"{OWN_LINK_LOCAL}%{LINK}"
_PAIR = (Asked("{v4}"), Asked("{other}"))
_THREE = (*_PAIR, Asked("{third}"))
_PATIENT = 997

DATAGRAMS = (
    Row("connected UDP socket, send()", sends("connected-send"), ONE),
    Row("connected UDP socket, write()", sends("connected-write"), ONE),
    Row("connected UDP socket, sendmmsg()", sends("connected-sendmmsg"), ONE),
    Row("unconnected UDP socket, sendto()", sends("sendto"), ONE),
    Row("unconnected UDP socket, sendmsg()", sends("sendmsg"), ONE),
    Row("unconnected UDP socket, sendmmsg()", sends("sendmmsg"), ONE),
    Row(
        "one socket queries three nameservers, sendto()",
        ("send_many", "turns", "{v4}", "{other}", "{third}"),
        _THREE,
        received=3 * COUNT,
    ),
    Row(
        "one socket queries three nameservers, sendmmsg()",
        ("send_many", "turns-mmsg", "{v4}", "{other}", "{third}"),
        _THREE,
        received=3 * COUNT,
    ),
    Row(
        "one connected socket queries two nameservers",
        ("send_mixed", "alternate", "{v4}", "{other}"),
        _PAIR,
        received=2 * COUNT,
    ),
    Row(
        "one long-lived connected socket, many queries",
        ("send_many", "patient", "{v4}"),
        (Asked("{v4}", _PATIENT),),
        received=_PATIENT,
        remark="over several ticks of the daemon",
    ),
    Row(
        "one socket connected again, to another nameserver",
        ("send_mixed", "reconnect", "{v4}", "{other}"),
        _PAIR,
        received=2 * COUNT,
    ),
    Row("connect(AF_UNSPEC) in between", ("send_mixed", "dissolve", "{v4}", "{other}"), _PAIR, received=2 * COUNT),
    Row("UDP GSO (UDP_SEGMENT), unconnected", ("send_mixed", "segmented", "{v4}"), ONE),
    Row("UDP GSO (UDP_SEGMENT), connected", ("send_mixed", "segmented-connected", "{v4}"), ONE),
)

STREAMS = (
    Row("TCP, many queries on one connection", sends("tcp"), TCP, remark=ESTIMATE),
    Row("TCP, a connection a query", sends("tcp-fresh"), TCP, remark=ESTIMATE),
    Row("TCP Fast Open", ("send_many", "fastopen", "{v4}"), TCP, remark=ESTIMATE),
    Row(
        "Multipath TCP socket",
        ("send_many", "multipath", "{v4}"),
        TCP,
        remark="estimate; the server knows plain TCP only",
    ),
    Row(
        "TCP, where segments get lost",
        sends("tcp", LOSSY),
        (Asked(LOSSY, transport="tcp"),),
        proof=lost_segments,
        remark="estimate: what is sent again is not counted again",
    ),
    Row(
        "TLS, port 853",
        ("dot.py", "ask", TLS, "{certificate}", "{name}", f"{COUNT}"),
        (Asked(TLS, COUNT + 2, "tls", 853),),
        remark="estimate: with two segments of the handshake",
    ),
)

ADDRESSES = (
    Row("IPv6, connected", sends("connected-send", "{v6}"), (Asked("{v6}"),)),
    Row("IPv6, sendto()", sends("sendto", "{v6}"), (Asked("{v6}"),)),
    Row("IPv6, TCP", sends("tcp", "{v6}"), (Asked("{v6}", transport="tcp"),), remark=ESTIMATE),
    Row("IPv6 link-local with scope, connected", sends("connected-send", SCOPED), (Asked(SCOPED),)),
    Row("IPv6 link-local with scope, sendto()", sends("sendto", SCOPED), (Asked(SCOPED),)),
    Row("IPv6 link-local, TCP", sends("tcp", SCOPED), (Asked(SCOPED, transport="tcp"),), remark=ESTIMATE),
    Row("IPv6 link-local, the machine's own, connected", sends("connected-send", OWN), (Asked(OWN),)),
    Row("v4-mapped IPv6, connected", sends("mapped-connected"), ONE, remark="shown as the IPv4 address that it is"),
    Row("v4-mapped IPv6, sendto()", sends("mapped"), ONE, remark="shown as the IPv4 address that it is"),
    Row(
        "loopback stub (127.0.0.53)",
        ("send_many", "answered", STUB),
        (Asked(STUB),),
        other=(Asked(UPSTREAM),),
        other_is="stub",
        remark="what the stub asks for it is the stub's own",
    ),
    Row(
        "NAT (nftables, as Docker's 127.0.0.11), connected",
        sends("connected-send", REWRITTEN),
        (Asked(REWRITTEN),),
        remark="for the address that the process asked",
    ),
    Row(
        "NAT (nftables, as Docker's 127.0.0.11), sendto()",
        sends("sendto", REWRITTEN),
        (Asked(REWRITTEN),),
        remark="for the address that the process asked",
    ),
    Row(
        "NAT (nftables, as Docker's 127.0.0.11), TCP",
        sends("tcp", REWRITTEN),
        (Asked(REWRITTEN, transport="tcp"),),
        remark=ESTIMATE,
    ),
)
