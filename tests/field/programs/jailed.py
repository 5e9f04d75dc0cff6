"""Look a name up through the C library, then go to a jail and do so there for ever. NAME JAIL FUNCTION [BEFORE]."""

import os
import socket
import sys
import time

from tests.field.programs import small_resolver as dns

name, jail, function = sys.argv[1].encode(), *sys.argv[2:4]  # bytes: a str takes a codec, which the jail lacks
before = int(sys.argv[4]) if len(sys.argv) > 4 else 2


def look_up() -> None:
    """Look the name up, whatever comes of it."""
    try:
        if function == "gethostbyname":
            socket.gethostbyname(name)  # type: ignore[arg-type]
        else:
            socket.getaddrinfo(name, 80, socket.AF_INET)
    except OSError:
        pass


for _ in range(before):
    look_up()
os.chroot(jail)
os.chdir("/")
while True:
    look_up()
    time.sleep(dns.PAUSE)
