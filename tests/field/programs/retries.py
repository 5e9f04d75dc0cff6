"""Read resolv.conf at the start and at SIGUSR1; retries of lookups begun before then go on until SIGUSR2."""

import signal
import sys
import time

from tests.field.programs import small_resolver as dns

name = sys.argv[1]
signals: set[int] = set()
for number in (signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, lambda number, _frame: signals.add(number))
servers = {dns.read()[0]}
print("running", flush=True)
while True:
    if signal.SIGUSR1 in signals:
        signals.remove(signal.SIGUSR1)
        (new, *_) = dns.read()
        servers.add(new)
    if signal.SIGUSR2 in signals:
        servers = {new}
    for server in servers:
        dns.look_up(server, name)
    time.sleep(dns.PAUSE)
