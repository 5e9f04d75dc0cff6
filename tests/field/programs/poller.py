"""Look at resolv.conf every SECONDS: NAME SECONDS read|stat; "stat" reads it only if its time has changed."""

import os
import sys
import time

from tests.field.programs import small_resolver as dns

name, seconds, how = sys.argv[1], float(sys.argv[2]), sys.argv[3]
next_look, known, server = 0.0, 0, ""
while True:
    if time.monotonic() >= next_look:
        next_look = time.monotonic() + seconds
        changed = os.stat("/etc/resolv.conf").st_mtime_ns if how == "stat" else known + 1
        if changed != known:
            known, server = changed, dns.read()[0]
    dns.look_up(server, name)
    time.sleep(dns.PAUSE)
