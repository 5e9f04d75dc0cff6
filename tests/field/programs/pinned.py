"""Query the nameservers given as arguments, for ever: they come from a configuration file, not from resolv.conf."""

import sys
import time

from tests.field.programs import small_resolver as dns

name, *servers = sys.argv[1:]
while True:
    for server in servers:
        dns.look_up(server, name)
    time.sleep(dns.PAUSE)
