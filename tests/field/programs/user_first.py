"""Look a user up, which tries nscd's socket, read resolv.conf, and query its nameserver. NAME [again] [hosts].

again: a user before each query; hosts: /etc/hosts too, which it reads itself, as c-ares does.
"""

import ctypes
import pwd
import sys
import time

from tests.field.programs import small_resolver as dns

LIBC = ctypes.CDLL(None)
LIBC.fopen.restype = ctypes.c_void_p
name, *options = sys.argv[1:]
server = dns.read()[0]
pwd.getpwnam("nobody")
while True:
    if "again" in options:
        pwd.getpwnam("nobody")
    if "hosts" in options:
        LIBC.fclose(ctypes.c_void_p(LIBC.fopen(b"/etc/hosts", b"r")))
    dns.look_up(server, name)
    time.sleep(dns.PAUSE)
