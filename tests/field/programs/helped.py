"""A daemon whose helper reads resolv.conf for it. NAME, then any of: jail=DIRECTORY, once, parent.

once: the helper exits after its answer. parent: the parent is the helper and the child the daemon.
"""

import os
import socket
import sys
import time

from tests.field.programs import small_resolver as dns

name, *options = sys.argv[1:]
jail = next((option.partition("=")[2] for option in options if option.startswith("jail=")), None)
ours, theirs = socket.socketpair()


def help_daemon() -> None:
    """Answer with the text of the file."""
    while ours.recv(1):
        with open("/etc/resolv.conf", "rb") as file:
            ours.send(file.read())
        if "once" in options:
            break


def be_daemon() -> None:
    """Go to the jail, have the file read, and query."""
    if jail:
        os.makedirs(jail, exist_ok=True)
        os.chroot(jail)
        os.chdir("/")
    theirs.send(b"?")
    server = dns.parse(theirs.recv(4096).decode())[0]
    while True:
        dns.look_up(server, name)
        time.sleep(dns.PAUSE)


if bool(os.fork()) == ("parent" in options):
    theirs.close()
    help_daemon()
    if "parent" in options:
        os.wait()
else:
    ours.close()
    be_daemon()
