"""mail_checks.py PORT SECONDS: have spamd check a mail that links to a domain of its own, again and again, for ever.

The request is written as spamd's protocol has it (spamd/PROTOCOL of SpamAssassin).
"""

import itertools
import socket
import sys
import time

MAIL = """From: lab@lab.example\r
To: you@lab.example\r
Subject: look\r
Message-ID: <{n}@lab.example>\r
Date: Thu, 01 Jan 2026 00:00:00 +0000\r
\r
See http://www.d{n}.com/\r
"""


def main(port: int, seconds: float) -> None:
    """Ask, and print the first line of the answer."""
    for number in itertools.count(1):
        text = MAIL.format(n=number)
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
                client.sendall(f"SYMBOLS SPAMC/1.5\r\nContent-length: {len(text)}\r\n\r\n{text}".encode())
                print(client.recv(4096), flush=True)
        except OSError as error:
            print(f"error: {error}", flush=True)
        time.sleep(seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
