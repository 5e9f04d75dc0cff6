"""with_pycares.py DOMAIN SECONDS: look up h1.DOMAIN, h2.DOMAIN, ... with one channel of c-ares, for ever.

Runs with pycares 4, where a query takes a type's number and gives a list, and with pycares 5.
"""

import itertools
import select
import sys
import time

import pycares


def turn(channel: pycares.Channel, answers: list[object]) -> None:
    """Wait for the answer: c-ares' own thread brings it, or whoever waits at its sockets."""
    deadline = time.monotonic() + 5
    while not answers and time.monotonic() < deadline:
        readers, writers = channel.getsock() if hasattr(channel, "getsock") else ([], [])
        if not readers and not writers:
            time.sleep(0.01)
            continue
        ready, _, _ = select.select(readers, writers, [], 0.1)
        for descriptor in ready:
            channel.process_fd(descriptor, pycares.ARES_SOCKET_BAD)
        if not ready:
            channel.process_fd(pycares.ARES_SOCKET_BAD, pycares.ARES_SOCKET_BAD)


def main(domain: str, seconds: float) -> None:
    """Look up, and print what came of it."""
    channel = pycares.Channel()
    for number in itertools.count(1):
        answers: list[object] = []

        def take(result: object, error: object, answers: list[object] = answers) -> None:
            answers.append(result if error is None else error)

        name = f"h{number}.{domain}"
        if int(pycares.__version__.split(".")[0]) >= 5:
            channel.query(name, pycares.QUERY_TYPE_A, callback=take)
        else:
            channel.query(name, pycares.QUERY_TYPE_A, take)
        turn(channel, answers)
        print(answers or "no answer", flush=True)
        time.sleep(seconds)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
