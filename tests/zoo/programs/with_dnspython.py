"""with_dnspython.py DOMAIN SECONDS: look up h1.DOMAIN, h2.DOMAIN, ... with dnspython's default resolver, for ever."""

import itertools
import sys
import time

import dns.exception
import dns.resolver


def main(domain: str, seconds: float) -> None:
    """Look up, and print what came of it."""
    for number in itertools.count(1):
        try:
            print(dns.resolver.resolve(f"h{number}.{domain}", "A")[0], flush=True)
        except (dns.exception.DNSException, ValueError) as error:  # of a nameserver that is none: ValueError since 2.7
            print(f"error: {error}", flush=True)
        time.sleep(seconds)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
