"""What the programs share: read resolv.conf as a small resolver does, and send one query for an A record."""

import itertools
import socket
import struct

PAUSE = 0.2
_NUMBERS = itertools.count(1)


def query(name: str, number: int) -> bytes:
    """Give a query for the A record of a name."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)


def look_up(server: str, name: str, seconds: float = 0.5) -> bytes | None:
    """Send a query and wait for the reply; None if there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(seconds)
        try:
            channel.connect((server, 53))
            channel.send(query(name, next(_NUMBERS)))
            return channel.recv(1232)
        except OSError:
            return None


def parse(text: str) -> list[str]:
    """Give the nameservers that a resolv.conf lists."""
    words = [line.split() for line in text.splitlines()]
    return [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]


def read() -> list[str]:
    """Read resolv.conf."""
    with open("/etc/resolv.conf") as file:
        return parse(file.read())
