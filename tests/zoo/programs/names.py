"""names.py DOMAIN SECONDS: look up h1.DOMAIN, h2.DOMAIN, ... with getaddrinfo, for ever.

A name of its own each time, so that no cache answers for the nameserver.
"""

import itertools
import socket
import sys
import time


def main(domain: str, seconds: float) -> None:
    """Look up, and print what came of it."""
    for number in itertools.count(1):
        try:
            answer = str(socket.getaddrinfo(f"h{number}.{domain}", None, type=socket.SOCK_STREAM)[0][4][0])
        except OSError as error:
            answer = f"error: {error}"
        print(answer, flush=True)
        time.sleep(seconds)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
