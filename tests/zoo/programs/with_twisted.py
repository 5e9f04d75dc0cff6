"""with_twisted.py DOMAIN SECONDS: look h1.DOMAIN, h2.DOMAIN, ... up with twisted.names, for ever.

Its resolver looks every minute whether resolv.conf has changed (twisted.names.client.Resolver.maybeParseConfig).
"""

import itertools
import sys

from twisted.internet import reactor, task
from twisted.names import client

NUMBERS = itertools.count(1)


def main(domain: str, seconds: float) -> None:
    """Look up, whatever comes of it."""
    resolver = client.Resolver("/etc/resolv.conf")

    def look_up() -> None:
        resolver.lookupAddress(f"h{next(NUMBERS)}.{domain}", timeout=(1,)).addErrback(lambda _failure: None)

    task.LoopingCall(look_up).start(seconds)
    reactor.run()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
