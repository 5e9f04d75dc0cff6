"""knock.py PORT TARGET SOURCE SECONDS: ask a web server on 127.0.0.1 for TARGET again and again, for ever.

SOURCE is the address to come from. Where it or TARGET says {n}, the number of the request stands, up to 250 and again.
"""

import itertools
import socket
import sys
import time


def request(port: int, target: str, source: str) -> str:
    """Make one request; gives the first line of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=2, source_address=(source, 0)) as client:
        client.sendall(f"GET {target} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        return client.recv(4096).decode(errors="replace").split("\r\n")[0]


def main(port: int, target: str, source: str, seconds: float) -> None:
    """Knock, and print what came of it; a server may not be there yet, or be restarted."""
    for number in itertools.cycle(range(1, 251)):
        try:
            answer = request(port, target.format(n=number), source.format(n=number))
        except OSError as error:
            answer = f"error: {error}"
        print(answer, flush=True)
        time.sleep(seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4]))
