"""connect.py PORT SECONDS: connect to 127.0.0.1 and send a line again and again, for ever."""

import socket
import sys
import time


def main(port: int, seconds: float) -> None:
    """Connect; who is there connects to somebody else, by name."""
    while True:
        with socket.socket() as client:
            client.settimeout(0.5)
            try:
                client.connect(("127.0.0.1", port))
                client.sendall(b"hello\n")
                print(client.recv(100), flush=True)
            except OSError as error:
                print(f"error: {error}", flush=True)
        time.sleep(seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
