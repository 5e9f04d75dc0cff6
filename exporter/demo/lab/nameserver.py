"""A real nameserver (dnsmasq) inside a world."""

import re
import signal
from collections.abc import Mapping
from typing import NamedTuple

from exporter.demo.lab.program import Program

QUERY = re.compile(r" query\[(?P<type>[^]]+)\] (?P<name>\S+) from (?P<client>\S+)$")


class Query(NamedTuple):
    """One query as the nameserver logged it: record type, name, and the address it came from."""

    type: str
    name: str
    client: str


class Nameserver:
    """A dnsmasq without upstreams: it gives the configured answers, and NXDOMAIN for every other name."""

    def __init__(self, address: str, program: Program) -> None:
        self.address = address
        self.program = program

    @property
    def pid(self) -> int:
        """Its pid as the host sees it."""
        return self.program.pid

    def wait_until_ready(self) -> None:
        """Wait until its sockets are bound: it logs its start only then.

        Raises LabError if it exits instead (port in use, dnsmasq not installed), or TimeoutError.
        """
        self.program.wait_for_line("started, version")

    def queries(self) -> list[Query]:
        """Return the queries it has received so far, retries included, in the order of their arrival."""
        found = map(QUERY.search, self.program.lines())
        return [Query(**match.groupdict()) for match in found if match]

    def pause(self) -> None:
        """Stop answering, like a server behind a dead link: queries wait unread, none is refused."""
        self.program.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue, with the queries that waited first."""
        self.program.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop it; from then on the kernel refuses queries (ICMP port unreachable)."""
        self.program.stop()


def command(address: str, answers: Mapping[str, str]) -> list[str]:
    """Return the dnsmasq command that serves `answers` (domain to address) on `address`, port 53, UDP and TCP.

    Names below a domain have the same answer; its MX is `mail.` and the domain. See dnsmasq(8).
    """
    argv = [
        "dnsmasq",
        "--conf-file=/dev/null",
        "--keep-in-foreground",
        "--user=root",  # giving up root, or its group, would also give up the parent-death signal (prctl(2))
        "--group=root",
        "--pid-file=",
        "--no-resolv",
        "--no-hosts",
        "--bind-interfaces",
        f"--listen-address={address}",
        "--local=/#/",
        "--log-queries",
        "--log-facility=-",
    ]
    for domain, answer in answers.items():
        argv += [f"--local=/{domain}/", f"--address=/{domain}/{answer}", f"--mx-host={domain},mail.{domain},10"]
    return argv
