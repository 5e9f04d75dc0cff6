"""The program of a root reader: it serves one request after another, until its channel is closed.

It runs in an interpreter of its own, without the site's packages, and imports little: it holds 5 MB.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from tracer.kernel.privileges import give_up_loading
from tracer.observe.root_requests import reply_to

CHANNEL = 0
"""The descriptor of its socket, from which it reads requests, and to which it writes replies."""
_STANDARD = 3


def serve(*shared: int) -> None:
    """Answer requests until the channel is closed. ``shared`` are descriptors that requests name."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it exits with the daemon, not before
    give_up_loading()
    _close_all_but(shared)
    # A daemon that is killed in the middle of a request resets the connection.
    with suppress(ConnectionError), open(CHANNEL, "rb", closefd=False) as requests:
        for requested in requests:
            reply = reply_to(requested)
            while reply:
                reply = reply[os.write(CHANNEL, reply) :]


def _close_all_but(shared: tuple[int, ...]) -> None:
    """Close what the starter of the daemon left open."""
    begin = _STANDARD
    for kept in sorted(shared):
        os.closerange(begin, kept)
        begin = kept + 1
    os.closerange(begin, os.sysconf("SC_OPEN_MAX"))
