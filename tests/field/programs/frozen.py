"""Read resolv.conf once, and query what it listed; DEFAULT if it listed nobody."""

import sys
import time

from tests.field.programs import small_resolver as dns

name, *default = sys.argv[1:]
(server, *_) = dns.read() or default
while True:
    dns.look_up(server, name)
    time.sleep(dns.PAUSE)
