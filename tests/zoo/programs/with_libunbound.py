"""with_libunbound.py DOMAIN SECONDS: look h1.DOMAIN, h2.DOMAIN, ... up with libunbound, for ever (libunbound(3))."""

import itertools
import sys
import time

import unbound  # type: ignore[import-untyped]


def main(domain: str, seconds: float) -> None:
    """Read resolv.conf with ub_ctx_resolvconf(), once, and look up."""
    context = unbound.ub_ctx()
    context.resolvconf("/etc/resolv.conf")
    for number in itertools.count(1):
        print(context.resolve(f"h{number}.{domain}", unbound.RR_TYPE_A, unbound.RR_CLASS_IN)[0], flush=True)
        time.sleep(seconds)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
