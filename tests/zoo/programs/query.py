"""query.py SERVER DOMAIN SECONDS: query the nameserver for the address of h1.DOMAIN, h2.DOMAIN, ..., for ever.

It reads no resolv.conf: it stands for the clients of a forwarder, wherever these learnt its address. The question is
written as RFC 1035, section 4.1, has it.
"""

import itertools
import socket
import struct
import sys
import time


def question(number: int, name: str) -> bytes:
    """Write a recursive query for the A records of a name."""
    labels = b"".join(struct.pack("B", len(label)) + label.encode() for label in name.split("."))
    return struct.pack(">6H", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, 1, 1)


def main(server: str, domain: str, seconds: float) -> None:
    """Query, and print the length of the answer."""
    for number in itertools.count(1):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(1)
            try:
                client.connect((server, 53))
                client.send(question(number, f"h{number}.{domain}"))
                print(len(client.recv(4096)), flush=True)
            except OSError as error:
                print(f"error: {error}", flush=True)
        time.sleep(seconds)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
