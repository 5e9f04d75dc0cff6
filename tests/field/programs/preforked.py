"""A master reads resolv.conf into a resolver of its own; its workers use that and the C library's. NAME WORKERS."""

import os
import socket
import sys
import time

from tests.field.programs import small_resolver as dns

name, number = sys.argv[1], int(sys.argv[2])
server = dns.read()[0]


def work() -> None:
    """Look up in both ways."""
    while True:
        try:
            socket.getaddrinfo(f"libc.{name}", 80, socket.AF_INET)
        except OSError:
            pass
        dns.look_up(server, name)
        time.sleep(dns.PAUSE)


for _ in range(number):
    if os.fork() == 0:
        work()
while True:
    os.wait()
    if os.fork() == 0:
        work()
