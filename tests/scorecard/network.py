"""The network of the scorecard: two worlds with a link between them, and the nameservers in them."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from exporter.demo.lab import OLD_ANSWER, Nameserver, Program, World, nameserver
from tests.scorecard.row import DOMAIN, LISTED, certificate

DOT = Path(__file__).with_name("dot.py")
LOSSY, TLS, ELSEWHERE, UPSTREAM = "192.0.2.249", "192.0.2.251", "192.0.2.252", "192.0.2.253"
"""Who loses segments; who serves TLS; whose nameserver is at OTHER_PORT; what the stub queries."""
STUB = "127.0.0.53"
OTHER_PORT = 5353
REWRITTEN, REWRITTEN_PORT = "127.0.0.11", 37541
"""Docker's address, and the port that its nameserver is really at."""
NEAR, FAR = "10.53.0.1", "10.53.0.2"
LINK = "link0"
LINK_LOCAL, OWN_LINK_LOCAL = "fe80::53", "fe80::1"
"""The far world's address behind the link, and the home world's own."""
FAR_LISTED = "192.0.2.255"

RULES = f"""
table ip docker {{
  chain output {{
    type nat hook output priority -100;
    ip daddr {REWRITTEN} udp dport 53 dnat to {REWRITTEN}:{REWRITTEN_PORT}
    ip daddr {REWRITTEN} tcp dport 53 dnat to {REWRITTEN}:{REWRITTEN_PORT}
  }}
  chain postrouting {{
    type nat hook postrouting priority 100;
    ip saddr {REWRITTEN} udp sport {REWRITTEN_PORT} snat to :53
    ip saddr {REWRITTEN} tcp sport {REWRITTEN_PORT} snat to :53
  }}
}}
table ip lossy {{
  chain input {{
    type filter hook input priority 0;
    ip daddr {LOSSY} tcp dport 53 tcp flags & psh == psh numgen inc mod 4 0 drop
  }}
}}
"""


@dataclass(frozen=True)
class Network:
    """Two worlds, each with a nameserver at every address of its rows, port 53."""

    home: World
    far: World
    nameservers: tuple[Nameserver, ...]
    stub: Nameserver

    def received(self) -> Counter[str]:
        """Count the queries that the nameservers have logged so far, by name; the stub only passes them on."""
        return Counter(query.name for server in self.nameservers for query in server.queries())


@contextmanager
def network(home_addresses: Sequence[str], far_addresses: Sequence[str], directory: Path) -> Iterator[Network]:
    """Build it for a `with` block, with a nameserver at each of these addresses."""
    with ExitStack() as stack:
        everywhere = [*home_addresses, LOSSY, TLS, ELSEWHERE, UPSTREAM]
        home = stack.enter_context(World(everywhere, f"nameserver {LISTED}\n"))
        far = stack.enter_context(World(far_addresses, f"nameserver {FAR_LISTED}\n"))
        link(home, far)
        home.run(["nft", RULES])
        servers = [
            started(home, [*home_addresses, LOSSY, UPSTREAM, OWN_LINK_LOCAL]),
            started(home, [REWRITTEN], REWRITTEN_PORT),
            started(home, [ELSEWHERE], OTHER_PORT),
            started(far, [*far_addresses, FAR, LINK_LOCAL]),
        ]
        stub = Nameserver(STUB, home.start([*stub_command(), "--cache-size=0"]))
        for server in (*servers, stub):
            server.wait_until_ready()
        yield Network(home, far, (*servers, Nameserver(TLS, tls_server(home, directory))), stub)


def link(home: World, far: World) -> None:
    """Put a cable between the two."""
    home.run(["ip", "link", "add", LINK, "type", "veth", "peer", "name", LINK, "netns", str(far.pid)])
    for world, address, link_local in ((home, NEAR, OWN_LINK_LOCAL), (far, FAR, LINK_LOCAL)):
        world.run(["ip", "address", "add", f"{address}/24", "dev", LINK])
        world.run(["ip", "address", "add", f"{link_local}/64", "dev", LINK, "nodad"])
        world.run(["ip", "link", "set", LINK, "up"])


def started(world: World, addresses: Sequence[str], port: int = 53) -> Nameserver:
    """Start one nameserver for several addresses, with a socket for each."""
    listening = [f"--listen-address={address}" for address in addresses[1:]]
    command = [*nameserver.command(addresses[0], {DOMAIN: OLD_ANSWER}), *listening, f"--port={port}"]
    return Nameserver(addresses[0], world.start(command))


def stub_command() -> list[str]:
    """Give the command of a stub that forwards all queries to UPSTREAM."""
    return [word for word in nameserver.command(STUB, {}) if word != "--local=/#/"] + [f"--server={UPSTREAM}"]


def tls_server(world: World, directory: Path) -> Program:
    """Start a nameserver at port 853."""
    key = directory / "key.pem"
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    whose = ["-subj", "/CN=scorecard", "-addext", f"subjectAltName=IP:{TLS}"]
    whose += ["-addext", "keyUsage=critical,digitalSignature,keyCertSign"]  # Python 3.13 requires that of an authority
    written = ["-keyout", str(key), "-out", str(certificate(directory))]
    subprocess.run(["openssl", "req", *kind, *whose, *written], check=True, capture_output=True)
    program = world.start([sys.executable, "-I", DOT, "serve", TLS, certificate(directory), key])
    program.wait_for_line("ready")
    return program
