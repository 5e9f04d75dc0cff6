"""Forward what comes to ADDRESS:53. NAME ADDRESS early|late|UPSTREAM.

early, late: to the nameserver of resolv.conf, which is read once, before or after it begins to serve.
"""

import socket
import sys

from tests.field.programs import small_resolver as dns

_, address, upstream = sys.argv[1:]
late = upstream == "late"
if upstream == "early":
    upstream = dns.read()[0]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as served:
    served.bind((address, 53))
    if late:
        upstream = dns.read()[0]
    while True:
        query, client = served.recvfrom(1232)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            channel.settimeout(0.5)
            try:
                channel.sendto(query, (upstream, 53))
                served.sendto(channel.recv(1232), client)
            except OSError:
                pass
