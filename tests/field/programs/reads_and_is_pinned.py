"""Read resolv.conf, as a program does that shows it, and query the nameserver of a configuration file."""

import sys
import time

from tests.field.programs import small_resolver as dns

name, server = sys.argv[1:]
dns.read()
while True:
    dns.look_up(server, name)
    time.sleep(dns.PAUSE)
