"""Read resolv.conf once; then do a job of ten queries at the start and at each SIGUSR1."""

import signal
import sys

from tests.field.programs import small_resolver as dns

name = sys.argv[1]
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
server = dns.read()[0]
while True:
    for _ in range(10):
        dns.look_up(server, name)
    print("idle", flush=True)
    signal.sigwait({signal.SIGUSR1})
