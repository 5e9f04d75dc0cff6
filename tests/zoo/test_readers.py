"""Which resolvers take a nameserver from a line that is odd: what doctor says of them is so."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from exporter.demo.lab import NEW, NEW_ANSWER, OLD, OLD_ANSWER, Nameserver, Program, World, wait_until
from tests.zoo import forwarders, glibc, languages
from tests.zoo.case import Start
from tracer.doctor.readers import REFUSED_BY, Oddity

LOCAL = "127.0.0.1"
TEXTS = {
    Oddity.NUL_BEHIND: f"nameserver {OLD}\0\n",
    Oddity.NUL_BEFORE: f"\0\nnameserver {OLD}\n",
    Oddity.GLUED_COMMENT: f"nameserver {OLD}#office\n",
    Oddity.SPACED_COMMENT: f"nameserver {OLD} # office\n",
    Oddity.LEADING_BLANKS: f"  nameserver {OLD}\n",
    Oddity.CARRIAGE_RETURN: f"nameserver {OLD}\r\n",
}
READERS: dict[str, Start] = {
    "glibc": glibc.getaddrinfo(),
    "musl": languages.musl,
    "Go": languages.go,
    "c-ares": languages.pycares_5,
    "dnspython": languages.dnspython,
    "systemd-resolved": forwarders.resolved(forwarders.RESOLVED.replace(f"DNS={OLD}\n", "FallbackDNS=\n")),
}
SECONDS = 30.0


@pytest.fixture(scope="module")
def room() -> Iterator[tuple[World, Nameserver, Nameserver]]:
    """Give a world with the nameserver that is listed, and the one that is queried if none is taken from the file."""
    with World([OLD, NEW], "") as world:
        forwarders.give_it_a_link(world)
        listed = world.nameserver(OLD, {"hat.com": OLD_ANSWER})
        yield world, listed, world.nameserver(LOCAL, {"hat.com": NEW_ANSWER})


@pytest.mark.parametrize("oddity", Oddity, ids=lambda oddity: oddity.name.lower())
def test_who_refuses_the_line(room: tuple[World, Nameserver, Nameserver], oddity: Oddity) -> None:
    """Each of the others queries the nameserver; those who refuse the line query loopback, or nobody."""
    world, listed, local = room
    world.path("/etc/resolv.conf").write_text(TEXTS[oddity], newline="")
    programs = {name: start(world, domain_of(name, oddity)) for name, start in READERS.items()}
    try:
        taken = {name: how(programs[name], domain_of(name, oddity), listed, local) for name in READERS}
        wait_until(lambda: all(taken[name]() is not None for name in READERS), SECONDS, "all to have decided")
        assert {name for name in READERS if taken[name]() is False} == REFUSED_BY[oddity]
    finally:
        for program in programs.values():
            program.stop()


def domain_of(name: str, oddity: Oddity) -> str:
    """Give the domain that a resolver looks names up in."""
    return f"{name.lower()}.{oddity.name.lower().replace('_', '-')}.hat.com"


def how(program: Program, domain: str, listed: Nameserver, local: Nameserver) -> Callable[[], bool | None]:
    """Give what tells whether a resolver has taken the nameserver; None as long as it has done nothing."""

    def taken() -> bool | None:
        for server, answer in ((listed, True), (local, False)):
            if any(query.name.lower().endswith(domain) for query in server.queries()):
                return answer
        return False if "error: " in program.output() else None

    return taken
