"""postgres.py PORT SECONDS: open a PostgreSQL session on 127.0.0.1 again and again, for ever.

The start-up message is written as PostgreSQL's protocol 3.0 has it.
"""

import itertools
import socket
import struct
import sys
import time


def start_up(database: str) -> bytes:
    """Write a start-up message."""
    values = b"".join(f"{word}\0".encode() for word in ("user", "lab", "database", database)) + b"\0"
    return struct.pack("!II", len(values) + 8, 3 << 16) + values


def main(port: int, seconds: float) -> None:
    """Connect to one database after the other: each is at a host of its own."""
    for number in itertools.cycle(range(1, 201)):
        with socket.socket() as client:
            client.settimeout(0.3)
            try:
                client.connect(("127.0.0.1", port))
                client.sendall(start_up(f"d{number}"))
                print(client.recv(4096), flush=True)
            except OSError as error:
                print(f"error: {error}", flush=True)
        time.sleep(seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
